/**
 * Whether a service would take an image of this caller, asked without one: at the route that takes images, who may not
 * come in is told so before anything else is looked at. What else it says of a request without an image is a sign only
 * where there is no other.
 */
import { Effect } from "effect"
import type { Attempt } from "../policy/Attempt.ts"
import { type Answer, type Exchange, isSuccess } from "../service/Exchange.ts"
import * as Decode from "../service/Decode.ts"
import * as Message from "../service/Message.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import * as MaskPaths from "./MaskPaths.ts"
import { excerpt, type ServiceError } from "../service/ServiceError.ts"
import type { Protocol } from "./protocol/Protocol.ts"
import type { CodeNotLoaded } from "../service/CodeNotLoaded.ts"

/** Why an image would not be taken. */
export interface Barred {
  readonly status: number
  /** In words, with what to do. */
  readonly detail: string
}

/** How the service wants to be told who asks, as the header of a refusal names it. */
const schemeOf = ({ headers }: Pick<Answer, "headers">): string | undefined =>
  /^\s*([\w-]+)/.exec(headers["www-authenticate"] ?? headers["proxy-authenticate"] ?? "")?.[1]?.toLowerCase()

/** What would let a caller in, going by how it was refused. `given` says whether it has sent a key. */
export const advice = (answer: Pick<Answer, "headers" | "status">, given: boolean): string => {
  const scheme = schemeOf(answer)
  if (answer.status === 407)
    return "a proxy asks for a name and a password: put them into HTTP_PROXY or HTTPS_PROXY, or --proxy http://name:password@host"
  if (scheme === "basic")
    return 'it asks for a name and a password: send them as --header "Authorization: Basic …", or in SEGFORMER_HEADERS. A key cannot help'
  if (scheme === "negotiate" || scheme === "ntlm" || scheme === "digest")
    return `it asks for ${scheme} authentication, which is not spoken here: a key cannot help`
  if (answer.status === 401)
    return given
      ? "it does not take the key that was sent (SEGFORMER_API_KEY, as Authorization: Bearer unless SEGFORMER_API_KEY_HEADER says another)"
      : "it asks for a key: set SEGFORMER_API_KEY, and SEGFORMER_API_KEY_HEADER where it wants one in another header"
  return given
    ? "whoever has the key that was sent may not, or a gateway before it knows no such route"
    : "it may ask for a key (SEGFORMER_API_KEY), for a header (--header), or a gateway before it knows no such route"
}

/** What the route of images answers. */
interface Telling {
  /** What it says of an error; empty where that is nothing. */
  readonly words: string
  /** In a sentence. */
  readonly telling: string
}

const tellingOf = (answer: Answer, protocol: Protocol): Effect.Effect<Telling, CodeNotLoaded> => {
  const hide = answer.hide ?? ((text: string) => text)
  const read = protocol.readError(answer)
  return Effect.map(Effect.isEffect(read) ? read : Effect.succeed(read), ({ detail = "" }) => {
    const words = excerpt(hide(detail))
    const { method = "POST", path = "" } = protocol.entry ?? {}
    const said = words === "" ? "" : ` "${words}"`
    return { words, telling: `${method} ${path === "" ? "/" : path} answers ${answer.status}${said}` }
  })
}

/**
 * What bars an image's way in an answer of its route, if anything. `other` is what the same service answers where it says nothing of
 * its health: then an answer counts only as far as it misses an image.
 */
export const barred = (
  answer: Answer,
  protocol: Protocol,
  given: boolean,
  other?: Silence
): Effect.Effect<Barred | undefined, CodeNotLoaded> =>
  Effect.map(
    tellingOf(answer, protocol),
    (told) =>
      barredBy(answer, told.telling, protocol, given) ??
      (other === undefined ? undefined : absent(answer, told, other))
  )

/** Of a service that does not say how it is: what it answers at another address than that of images, where it does. */
export interface Silence {
  readonly answer: Answer | undefined
}

const barredBy = (answer: Answer, told: string, protocol: Protocol, given: boolean): Barred | undefined => {
  const { status } = answer
  if (status === 401 || status === 403 || status === 407)
    return { status, detail: `${told}: ${advice(answer, given)}` }
  if (status === 402) return { status, detail: `${told}: it wants to be paid first` }
  // 404 may be what a server says of a request that lacks its part.
  if (status === 405)
    return { status, detail: `${told}: there is no such route for ${protocol.entry?.method ?? "POST"}` }
  return undefined
}

/** What a request without an image is answered with where one is missed: a crash is of what is not there. */
const missing = new Set([400, 411, 413, 415, 422, 500])

/** Whether an answer holds what can be a mask, by its name or its form: some give their prediction whatever comes. */
const holdsMask = (answer: Answer): boolean => {
  if (["\x89PNG", "\x93NUM"].includes(String.fromCharCode(...answer.body.subarray(0, 4)))) return true
  const json = Message.jsonOf(answer)
  const path = MaskPaths.find(json)
  if (path === undefined) return false
  const value = MaskPaths.valueAt(json, path)
  if (!Array.isArray(value)) return typeof value === "string" || MaskDecoding.looksLikeRle(value)
  const [first]: ReadonlyArray<unknown> = value
  const named = Message.isRecord(first) ? first : { [path.split(".").at(-1) ?? ""]: value }
  return Array.isArray(first) || MaskPaths.usualField(named) !== undefined
}

/** Two answers that differ by no more than the address, a time and an id. */
const areAlike = (one: Answer, other: Answer): boolean => {
  const plain = (answer: Answer) =>
    Decode.text(answer)
      .slice(0, 4096)
      .replaceAll(/[^\s"]*[\d/][^\s"]*|GET|POST|PUT/g, "")
  return one.status === other.status && plain(one) === plain(other)
}

/**
 * What shows that nobody takes images there, or leaves it open: no such route, a page for people, an answer that misses no image, or
 * the one that this service has for other addresses too.
 */
const absent = (
  answer: Answer,
  { words, telling }: Telling,
  { answer: other }: Silence
): Barred | undefined => {
  const { status } = answer
  const isOk = isSuccess(answer)
  const isPage = isOk && Message.titleOf(Decode.text(answer)) !== undefined
  // A list of words is no message.
  const isTold = words !== "" && !Array.isArray(Message.jsonOf(answer))
  const isMissed = isOk ? isTold || holdsMask(answer) : missing.has(status)
  const isSame = other !== undefined && areAlike(answer, other)
  if (isMissed && !isPage && !isSame) return undefined
  const what = isPage
    ? ", a page of HTML"
    : isMissed
      ? " as other addresses do"
      : isOk
        ? " though no image was sent"
        : ""
  return {
    status,
    detail: `${telling}${what}, and it does not say how it is: check the base URL, the protocol and the name of the model`
  }
}

/** Asks, where the protocol has a route for images that may be asked. */
export const ask = (
  exchange: Exchange,
  protocol: Protocol,
  { given, isSilent }: { readonly given: boolean; readonly isSilent: boolean },
  attempt: Attempt
): Effect.Effect<Barred | undefined, ServiceError> =>
  Effect.gen(function* () {
    if (protocol.entry === undefined) return undefined
    const answer = yield* exchange.send({ accept: "*/*", ...protocol.entry }, attempt)
    // A list says nothing of a request without an image, nor of health.
    const isList = isSuccess(answer) && Array.isArray(Message.jsonOf(answer))
    // A redirect that is refused, say, is another answer than any.
    const other =
      isSilent || isList
        ? yield* Effect.orElseSucceed(exchange.send(protocol.health.call, attempt), () => undefined)
        : undefined
    const found = yield* barred(answer, protocol, given, isSilent ? { answer: other } : undefined)
    return found === undefined && !isSilent && other !== undefined && areAlike(answer, other)
      ? yield* Effect.map(tellingOf(answer, protocol), ({ telling }) => ({
          status: answer.status,
          detail: `${telling} to a request without an image, and the same where it would say how it is: check the base URL and the protocol`
        }))
      : found
  })
