/**
 * Who may come in, and what browsers may do with an answer.
 *
 * A token is compared with all of the server's by their digests, in the same time wherever they differ. It is
 * `Redacted` from the header on: logs and traces never have it.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Duration, Effect, Redacted, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import * as ErrorKind from "../ErrorKind.ts"
import { isLoopback } from "../service/AddressGuard.ts"
import { type Caller, CurrentCaller } from "./Caller.ts"
import { Refusal } from "./Refusal.ts"
import { ofTokens } from "./RefusalStatus.ts"
import type { SegFormerServerOptions } from "./ServerOptions.ts"

/** The server would be open to others without asking who they are. */
export class TokensRequired extends ErrorKind.lasting<TokensRequired>()("TokensRequired", {
  host: Schema.String
}) {
  override get message(): string {
    return (
      `Listening at ${this.host} would let anyone in who can reach this machine. Give tokens (\`tokens\`, ` +
      "SEGFORMER_SERVE_TOKENS or --token-file), listen at 127.0.0.1, or say that anyone may come (`allowAnyone`, --allow-anyone)"
    )
  }
}

/** The same, as what an id belongs to: `undefined` is one caller, where nobody is asked who they are. */
export const currentSubject: Effect.Effect<string | undefined> = Effect.map(
  CurrentCaller,
  (caller) => caller?.subject
)

/** What decides who may come in. */
type AuthenticationOptions = Pick<SegFormerServerOptions, "allowAnyone" | "authorize" | "tokens">

/** Refuses to open a server to others that asks nobody for a token. */
export const check = (host: string, options: AuthenticationOptions): Effect.Effect<void, TokensRequired> =>
  isLoopback(host) || options.allowAnyone === true || isGuarded(options)
    ? Effect.void
    : Effect.fail(new TokensRequired({ host }))

const isGuarded = ({ authorize, tokens }: AuthenticationOptions): boolean =>
  (tokens !== undefined && tokens.length > 0) || authorize !== undefined

const digestOf = (token: string): Buffer => createHash("sha256").update(token).digest()

/**
 * The token of a request: a bearer's, or the password of basic authentication, which is what some clients can send; their
 * user may be any. Where it has no password, the user is the token.
 */
const tokenOf = (request: HttpServerRequest.HttpServerRequest): Redacted.Redacted | undefined => {
  const header = request.headers["authorization"] ?? ""
  const [, bearer] = /^bearer +(\S+) *$/i.exec(header) ?? []
  if (bearer !== undefined) return Redacted.make(bearer)
  const [, basic] = /^basic +([A-Za-z\d+/]+={0,2}) *$/i.exec(header) ?? []
  const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(basic ?? "", "base64").toString()) ?? []
  const token = password === "" ? user : password
  return token === undefined || token === "" ? undefined : Redacted.make(token)
}

/** Of two names that a request says it is for, a proxy may have gone by the one and this server by the other. */
export const hasTwoHosts = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const { rawHeaders } = NodeHttpServerRequest.toIncomingMessage(request)
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === "host") hosts++
  return hosts > 1
}

/**
 * Where only this machine may ask, a page of a stranger must not: its browser is on this machine, and a name of the
 * stranger's that turns out to be 127.0.0.1 makes this server a part of their site (DNS rebinding).
 */
const isOurs = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const host = request.headers["host"]
  if (host === undefined) return true
  // As a browser reads it.
  const url = `http://${host}`
  return URL.canParse(url) && isLoopback(new URL(url).hostname.replace(/\.$/, ""))
}

/** Looks at a request's token: who it is, or 401. `undefined` where everybody may come in. */
export const authenticate = (
  options: AuthenticationOptions
): ((request: HttpServerRequest.HttpServerRequest) => Effect.Effect<Caller | undefined, Refusal>) => {
  if (!isGuarded(options)) {
    if (options.allowAnyone === true) return () => Effect.succeed(undefined)
    const detail =
      "Without tokens this service answers to the names of its own machine alone: ask for localhost or 127.0.0.1. Its " +
      "owner may give tokens, or say that anyone may come (--allow-anyone)"
    return (request) =>
      isOurs(request) ? Effect.succeed(undefined) : Effect.fail(new Refusal({ status: 403, detail }))
  }
  const digests = (options.tokens ?? []).map((token) => digestOf(Redacted.value(token)))
  const missing = new Refusal({
    status: 401,
    detail: "This service asks for a token: send the header Authorization: Bearer <token>"
  })
  const wrong = new Refusal({ status: 401, detail: "This service does not know this token" })
  return Effect.fnUntraced(function* (request) {
    const token = tokenOf(request)
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
