/**
 * Who may come in, and what browsers may do with an answer.
 *
 * A token is compared with all of the server's by their digests, in the same time wherever they differ. It is
 * `Redacted` from the header on: logs and traces never have it.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { Duration, Effect, Redacted, Result, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import { NetAddress } from "effect/net"
import * as ErrorKind from "../ErrorKind.ts"
import { isAddress, isLoopback, isPrivateName } from "../service/AddressGuard.ts"
import * as Address from "./Address.ts"
import { type Caller, CurrentCaller } from "./Caller.ts"
import * as Outside from "./Outside.ts"
import { bad, Refusal } from "./Refusal.ts"
import { ofTokens } from "./RefusalStatus.ts"
import type { SegFormerServerOptions } from "./ServerOptions.ts"

/** The server would be open to others without asking who they are. */
export class TokensRequired extends ErrorKind.ofCaller<TokensRequired>()("TokensRequired", {
  /** Empty for a web handler, which listens nowhere itself. */
  host: Schema.String
}) {
  override get message(): string {
    if (this.host === "") {
      return (
        "A web handler answers all that its framework hands to it, and would let anyone in. Give tokens (`tokens`) or ask " +
        "about them (`authorize`), or say that anyone may come, or that others ask who it is (`allowAnyone`)"
      )
    }
    return (
      `Listening at ${this.host} would let anyone in who can reach this machine. Give tokens (\`tokens\`, ` +
      "SEGFORMER_SERVE_TOKENS or --token-file), say which addresses may come (`allowFrom`, --allow-from), listen at 127.0.0.1, " +
      "or say that anyone may come (`allowAnyone`, --allow-anyone)"
    )
  }
}

/** The same, as what an id belongs to: `undefined` is one caller, where nobody is asked who they are. */
export const currentSubject: Effect.Effect<string | undefined> = Effect.map(
  CurrentCaller,
  (caller) => caller?.subject
)

/** What decides who may come in. */
type AuthenticationOptions = Pick<
  SegFormerServerOptions,
  "allowAnyone" | "allowFrom" | "authorize" | "tokens"
>

/** Refuses to open a server to others that asks nobody who they are: one that listens, or one without a host of its own. */
export const check = (
  host: string,
  options: AuthenticationOptions
): Effect.Effect<void, TokensRequired | Address.InvalidAddress> =>
  Effect.flatMap(Effect.fromResult(Address.among(options.allowFrom ?? [])), () =>
    isLoopback(host) || options.allowAnyone === true || isGuarded(options) || hasAddresses(options)
      ? Effect.void
      : Effect.fail(new TokensRequired({ host }))
  )

const hasAddresses = ({ allowFrom = [] }: AuthenticationOptions): boolean => allowFrom.length > 0

const isGuarded = ({ authorize, tokens }: AuthenticationOptions): boolean =>
  (tokens !== undefined && tokens.length > 0) || authorize !== undefined

const digestOf = (token: string): Buffer => createHash("sha256").update(token).digest()

/**
 * The token of a request: a bearer's, or the password of basic authentication, which is what some clients can send; their
 * user may be any. Where it has no password, the user is the token.
 */
const tokenOf = (
  request: HttpServerRequest.HttpServerRequest,
  elsewhere: string | undefined
): Redacted.Redacted | undefined => {
  const header = request.headers["authorization"] ?? ""
  const [, bearer] = /^bearer +(\S+) *$/i.exec(header) ?? []
  if (bearer !== undefined) return Redacted.make(bearer)
  const [, basic] = /^basic +([A-Za-z\d+/]+={0,2}) *$/i.exec(header) ?? []
  const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(basic ?? "", "base64").toString()) ?? []
  const token = (password === "" ? user : password) ?? elsewhere
  return token === undefined || token === "" ? undefined : Redacted.make(token)
}

/** Names and values as they came, one behind the other, where a platform still has them. */
const rawHeadersOf = ({ source }: HttpServerRequest.HttpServerRequest): ReadonlyArray<unknown> => {
  const found: unknown = Reflect.get(source, "rawHeaders")
  return Array.isArray(found) ? found : []
}

/**
 * Of two names that a request says it is for, a proxy may have gone by the one and this server by the other; so it may with one that
 * is more than a name: of `a@b`, `b#a` and `b/a` not all programs say that it is `b`.
 */
export const wrongHost = (request: HttpServerRequest.HttpServerRequest): Refusal | undefined => {
  const names = rawHeadersOf(request).filter((_, index) => index % 2 === 0)
  const hosts = names.filter((name) => typeof name === "string" && name.toLowerCase() === "host")
  const host = request.headers["host"] ?? ""
  // A `Request` has headers of one name in one value.
  if (hosts.length > 1 || host.includes(",")) return bad("A request has one Host, and this one has two")
  return host === "" || Outside.isHost(host)
    ? undefined
    : bad("The Host of the request is no name of a server")
}

/** By which of its names a request asks for this server, as a browser reads them; `undefined` where by none. */
const nameOfHost = (request: HttpServerRequest.HttpServerRequest): string | undefined => {
  const url = `http://${request.headers["host"] ?? ""}`
  return URL.canParse(url) ? new URL(url).hostname.replace(/\.$/, "") : undefined
}

/** What containers call the machine that they run on. Whoever else has such a name has it from this machine's own resolver. */
const ofContainers: ReadonlySet<string> = new Set([
  "host.docker.internal",
  "gateway.docker.internal",
  "host.containers.internal"
])

/**
 * Where only this machine may ask, a page of a stranger must not: its browser is on this machine, and a name of the
 * stranger's that turns out to be 127.0.0.1 makes this server a part of their site (DNS rebinding).
 */
const isOurs = (request: HttpServerRequest.HttpServerRequest): boolean => {
  if (request.headers["host"] === undefined) return true
  const name = nameOfHost(request)
  return name !== undefined && (isLoopback(name) || ofContainers.has(name))
}

/** The same where a network may ask: an address, or a name that no stranger can have, since the public DNS has none such. */
const isNobodys = (request: HttpServerRequest.HttpServerRequest): boolean => {
  if (request.headers["host"] === undefined) return true
  const name = nameOfHost(request)
  return name !== undefined && (isAddress(name) || isPrivateName(name))
}

/** Looks at where a request comes from and at its token, in its header or where else it was found: who it is, or 401 or 403. */
export type Authenticate = (
  request: HttpServerRequest.HttpServerRequest,
  elsewhere: string | undefined
) => Effect.Effect<Caller | undefined, Refusal>

/** `undefined` where nobody asks who it is. */
export const authenticate = (options: AuthenticationOptions, addresses: Address.Addresses): Authenticate => {
  const byToken = tokenAsked(options)
  if (!hasAddresses(options)) return byToken ?? unasked(options)
  const isLetIn = Result.getOrElse(Address.among(options.allowFrom ?? []), () => () => false)
  return (request, elsewhere) => {
    const address = addresses.ip(request)
    if (isLetIn(address)) {
      if (!isNobodys(request)) return Effect.fail(strangersName)
      // Whose token it is says more than the address.
      return byToken !== undefined && tokenOf(request, elsewhere) !== undefined
        ? byToken(request, elsewhere)
        : Effect.succeed(undefined)
    }
    if (byToken !== undefined) return byToken(request, elsewhere)
    if (options.allowAnyone === true || (address !== undefined && NetAddress.isLoopback(address))) {
      return unasked(options)(request)
    }
    const whose = address === undefined ? "an address that is not told here" : NetAddress.formatIp(address)
    const detail = `This service is open to certain addresses (--allow-from), and yours, ${whose}, is none of them`
    return Effect.andThen(
      Effect.logWarning(`${whose} was refused: it is none of the addresses of --allow-from`),
      Effect.fail(new Refusal({ status: 403, detail }))
    )
  }
}

const strangersName = new Refusal({
  status: 403,
  detail:
    "Whom this service lets in by address asks for it by its address or by a name of a private network, and not by a name " +
    "that a stranger's page could have"
})

/** Where nobody is asked for a token. */
const unasked = (
  options: AuthenticationOptions
): ((request: HttpServerRequest.HttpServerRequest) => Effect.Effect<undefined, Refusal>) => {
  if (options.allowAnyone === true) return () => Effect.succeed(undefined)
  const detail =
    "Without tokens this service answers to the names of its own machine alone: ask for localhost or 127.0.0.1. Its " +
    "owner may give tokens, or say that anyone may come (--allow-anyone)"
  return (request) =>
    isOurs(request) ? Effect.succeed(undefined) : Effect.fail(new Refusal({ status: 403, detail }))
}

/** By the token of a request, where there are any to have. */
const tokenAsked = (options: AuthenticationOptions): Authenticate | undefined => {
  if (!isGuarded(options)) return undefined
  const digests = (options.tokens ?? []).map((token) => digestOf(Redacted.value(token)))
  const missing = new Refusal({
    status: 401,
    detail: "This service asks for a token: send the header Authorization: Bearer <token>"
  })
  const wrong = new Refusal({ status: 401, detail: "This service does not know this token" })
  return Effect.fnUntraced(function* (request, elsewhere) {
    const token = tokenOf(request, elsewhere)
    if (token === undefined) return yield* missing
    const digest = digestOf(Redacted.value(token))
    let known = false
    // All of them, so that the time says nothing.
    for (const own of digests) if (timingSafeEqual(digest, own)) known = true
    const answer =
      known || (options.authorize === undefined ? false : yield* declared(options.authorize(token)))
    if (answer === false) return yield* wrong
    return answer === true ? { subject: nameOf(digest) } : answer
  })
}

/** Every route declares what a token may be refused with; whoever is asked about it may have said something else. */
const declared = <A>(asked: Effect.Effect<A, Refusal>): Effect.Effect<A, Refusal> =>
  Effect.catch(asked, (refusal) =>
    ofTokens.some((status) => status === refusal.status)
      ? Effect.fail(refusal)
      : Effect.andThen(
          Effect.logWarning(`A token was refused with ${refusal.status}: ${refusal.message}`),
          Effect.fail(unanswered)
        )
  )

/** Nobody can say whose a token is. */
export const unanswered = new Refusal({
  status: 503,
  detail: "Whether your token is good cannot be asked now. Try again shortly",
  retryAfter: Duration.seconds(5)
})

/** The same for a token whatever others there are: what it has submitted stays its own when tokens come and go. */
const nameOf = (digest: Buffer): string => `token ${digest.toString("hex").slice(0, 8)}`

/** Headers of every answer. Nothing here is a document that may load or be framed; the page has a policy of its own. */
export const headers = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-resource-policy": "same-origin"
} as const
