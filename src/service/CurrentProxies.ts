/** Through which proxies a client sends, apart from how that is found out: every call asks for it. */
import { Context, type Redacted } from "effect"
import type { IpNetwork } from "effect/net"

/** One proxy, or what is wrong with what should name it. */
export interface Proxy {
  /** For errors: without name and password. */
  readonly name: string
  /** Where it was named, such as `HTTPS_PROXY`. */
  readonly from: string
  /** With name and password, where it has some. */
  readonly uri: Redacted.Redacted
  /** Why it cannot be used. */
  readonly wrong?: string | undefined
}

export interface Proxies {
  /** For http and for https. */
  readonly http: Proxy | undefined
  readonly https: Proxy | undefined
  /** As `NO_PROXY` has it. */
  readonly not: ReadonlyArray<Exception>
}

export interface Exception {
  readonly host: string
  readonly subdomainsOnly: boolean
  readonly port: string | undefined
  readonly network: IpNetwork.IpNetwork | undefined
}

/** No proxy for anything. */
export const none: Proxies = { http: undefined, https: undefined, not: [] }

/** Through which proxy the client of the context sends a request: `NodeHttp.layer` says it of itself. */
export const Current = Context.Reference<Proxies>("effect-segformer/service/Proxies/Current", {
  defaultValue: () => none
})
