/** Every peer. A new one is a module and an entry here. */
import type { Absent, Peer } from "./Peer.ts"
import * as Clients from "./clients/Clients.ts"
import * as Nginx from "./front/Nginx.ts"
import * as Proxies from "./front/Proxies.ts"
import * as Servers from "./servers/Servers.ts"
import * as Tools from "./tools/Tools.ts"

export const rows: ReadonlyArray<Peer> = [
  ...Servers.rows,
  ...Clients.rows,
  Nginx.peer,
  ...Proxies.rows,
  ...Tools.rows
]

/** What cannot be had here. */
export const absent: ReadonlyArray<Absent> = [...Servers.absent]
