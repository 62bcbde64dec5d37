/** Every peer. A new one is a module and an entry here. */
import type { Absent, Peer } from "./Peer.ts"
import * as Cvat from "./annotation/Cvat.ts"
import * as LabelStudio from "./annotation/LabelStudio.ts"
import * as Clients from "./clients/Clients.ts"
import * as Nginx from "./front/Nginx.ts"
import * as Proxies from "./front/Proxies.ts"
import * as Makers from "./makers/Makers.ts"
import * as Servers from "./servers/Servers.ts"
import * as Annotations from "./tools/Annotations.ts"
import * as Tools from "./tools/Tools.ts"

export const rows: ReadonlyArray<Peer> = [
  ...Servers.rows,
  ...Clients.rows,
  ...LabelStudio.rows,
  ...Cvat.rows,
  Nginx.peer,
  ...Proxies.rows,
  ...Tools.rows,
  ...Annotations.rows,
  ...Makers.rows
]

/** What cannot be had here. */
export const absent: ReadonlyArray<Absent> = [...Servers.absent, ...Annotations.absent]
