/**
 * One file of the Hub: what the Hub says of it, and its download in pieces.
 *
 * The bytes go into a `.part` file beside the target, named after the digest that they must have. Only when size and
 * digest are right does it become the target, so that whoever finds the target may trust it.
 */
import { createHash, type Hash } from "node:crypto"
import { basename, dirname } from "node:path"
import { Clock, Duration, Effect, FileSystem, type PlatformError, Redacted, type Scope, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import * as Lock from "../../files/Lock.ts"
import { reasonOf } from "../../files/NotWritten.ts"
import * as WholeFile from "../../files/WholeFile.ts"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import * as Body from "../../service/Body.ts"
import * as ContentRange from "../../service/ContentRange.ts"
import * as ConnectionError from "../../service/ConnectionError.ts"
import { parseBaseUrl } from "../../service/Exchange.ts"
import { ofHead } from "../../service/HeadError.ts"
import * as Secrets from "../../service/Secrets.ts"
import {
  ConnectionFailed,
  type InvalidUrl,
  RedirectRefused,
  type ServiceError
} from "../../service/ServiceError.ts"
import { randomHex } from "../../randomHex.ts"
import { version } from "../../version.ts"

export type OnProgress = (progress: {
  readonly file: string
  readonly received: number
  readonly total: number | undefined
}) => Effect.Effect<void>

/** What the Hub says of a file. */
export interface FileInfo {
  readonly commit: string | undefined
  readonly size: number | undefined
  /** SHA-256 in hex for large files, the SHA-1 of a git blob for others; anything else cannot be checked. */
  readonly etag: string | undefined
}

type Failure = ModelNotLoadable | ServiceError

export interface Hub {
  /** Without a trailing slash. */
  readonly endpoint: string
  readonly head: (revision: string, file: string) => Effect.Effect<FileInfo, Failure>
  /** Does nothing twice: what a broken attempt has fetched is kept for the next. */
  readonly download: (
    revision: string,
    file: string,
    info: FileInfo,
    target: string,
    onProgress?: OnProgress
  ) => Effect.Effect<void, Failure>
}

const maxHops = 5

/** How long a download may stand still. */
const stall = Duration.seconds(60)

const broken = (service: string, detail: string) =>
  new ConnectionFailed({ service, code: undefined, phase: "receiving", sent: "maybe", detail })

/** No model needs more, and a mirror that never ends must not fill the disk. */
const maxBytes = 20 * 1024 ** 3

export const connect = Effect.fnUntraced(function* (options: {
  readonly endpoint: string
  readonly token: Redacted.Redacted | undefined
  /** For errors. */
  readonly model: string
}): Effect.fn.Return<Hub, InvalidUrl, HttpClient.HttpClient | FileSystem.FileSystem> {
  const { model, token } = options
  const fs = yield* FileSystem.FileSystem
  const hide = Secrets.make(token === undefined ? [] : [Redacted.value(token)])
  const base = yield* parseBaseUrl(options.endpoint)
  const endpoint = base.origin + base.pathname.replace(/\/+$/, "")
  const client = HttpClient.withScope(yield* HttpClient.HttpClient)
  const fail = (detail: string) => new ModelNotLoadable({ model, detail })

  /** Redirects lead to other hosts for large files; the token stays behind, the range goes along. */
  const request = (
    method: "GET" | "HEAD",
    url: string,
    headers: Readonly<Record<string, string>>,
    hops = 0
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, Failure, Scope.Scope> =>
    Effect.gen(function* () {
      const service = url.split(/[?#]/, 1)[0]!
      const isOwn = new URL(url).origin === base.origin
      const response = yield* client
        .execute(
          HttpClientRequest.make(method)(url, {
            headers: {
              accept: "*/*",
              "accept-encoding": "identity",
              "user-agent": `effect-segformer/${version}`,
              ...(isOwn && token !== undefined ? { authorization: `Bearer ${Redacted.value(token)}` } : {}),
              ...headers
            }
          })
        )
        .pipe(
          Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
          // Where the files lie is told with a signature in its query, which no trace is to have.
          Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
          Effect.mapError((error) => ConnectionError.from(error, service, undefined, hide))
        )
      const location =
        response.status >= 300 && response.status < 400 ? response.headers["location"] : undefined
      if (location === undefined) return response
      const refuse = (detail: string) =>
        new RedirectRefused({
          service,
          status: response.status,
          location: hide(location.split("?", 1)[0]!),
          detail
        })
      if (!URL.canParse(location, url)) return yield* refuse("that is no URL")
      const next = new URL(location, url)
      // What a file is stands in the answer that leads elsewhere, not in that of the store it leads to.
      if (method === "HEAD" && next.origin !== base.origin) return response
      if (hops >= maxHops) return yield* refuse(`that is hop ${hops + 1}`)
      if (next.protocol !== "https:" && next.protocol !== new URL(url).protocol) {
        return yield* refuse("it does not lead to https")
      }
      return yield* request(method, next.href, headers, hops + 1)
    })

  const addressOf = (revision: string, file: string) =>
    `${endpoint}/${model}/resolve/${encodeURIComponent(revision)}/${file.split("/").map(encodeURIComponent).join("/")}`

  const refused = (
    response: HttpClientResponse.HttpClientResponse,
    file: string,
    service: string,
    now: number
  ): Failure => {
    const { status } = response
    if (status === 404)
      return fail(`${service} is not there. The model has no ${file}, or there is no such model`)
    if (status === 401 || status === 403) {
      return fail(`${endpoint} wants a token that may read it (${status}). Set HF_TOKEN, and check the name`)
    }
    return ofHead(service, response, now)
  }

  const head: Hub["head"] = (revision, file) =>
    Effect.scoped(
      Effect.gen(function* () {
        const address = addressOf(revision, file)
        const response = yield* request("HEAD", address, {})
        const { headers, status } = response
        if (status >= 400) return yield* refused(response, file, address, yield* Clock.currentTimeMillis)
        const size = Number(headers["x-linked-size"] ?? headers["content-length"])
        const etag = (headers["x-linked-etag"] ?? headers["etag"])?.replace(/^W\//, "").replaceAll('"', "")
        return {
          commit: /^[0-9a-f]{40}$/.test(headers["x-repo-commit"] ?? "")
            ? headers["x-repo-commit"]
            : undefined,
          size: Number.isSafeInteger(size) && size >= 0 ? size : undefined,
          etag
        }
      })
    )

  const download: Hub["download"] = (revision, file, info, target, onProgress) =>
    Effect.scoped(
      Effect.gen(function* () {
        const notWritten = (reason: string) => fail(`cannot write ${target} (${reason})`)
        const io = Effect.mapError((error: PlatformError.PlatformError) => notWritten(reasonOf(error)))
        yield* Effect.mapError(WholeFile.makeFolder(dirname(target)), ({ reason }) => notWritten(reason))
        const part = yield* claim(target, info.etag)
        const before = yield* Effect.orElseSucceed(
          Effect.map(fs.stat(part), ({ size }) => Number(size)),
          () => 0
        )
        const resumed = before > 0 && (info.size === undefined || before <= info.size)
        const from = resumed ? before : 0
        const address = addressOf(revision, file)

        const anew = (detail: string) =>
          Effect.andThen(io(fs.remove(part, { force: true })), broken(address, `${detail}, starting over`))
        let received = from
        /** Where the part of the file ends that comes. */
        let end: number | undefined
        const hash = hasher(info)
        const seen = io(Stream.runForEach(fs.stream(part), (chunk) => Effect.sync(() => hash.update(chunk))))
        if (from > 0 && from === info.size) yield* seen
        else {
          const response = yield* request("GET", address, from > 0 ? { range: `bytes=${from}-` } : {})
          if (response.status === 416) {
            return yield* anew("the rest of the file could not be had")
          }
          if (response.status >= 300) {
            return yield* refused(response, file, address, yield* Clock.currentTimeMillis)
          }
          const range = ContentRange.read(response.headers)
          const goesOn = from > 0 && response.status === 206 && range?.first === from
          const isLost = from > 0 && response.status === 206 && range?.first !== 0
          // A part that does not go on with what is here is not to be taken for the whole.
          const other = ContentRange.partOf(response.headers) ?? (isLost ? "of no place" : undefined)
          if (!goesOn && other !== undefined) {
            return yield* anew(`a part came that was not asked for (${other})`)
          }
          if (goesOn && range.last !== undefined) end = range.last + 1
          if (goesOn) yield* seen
          else received = 0
          const limit = (info.size ?? maxBytes) - received
          const chunks = Body.stream(
            response,
            { maxBodyBytes: limit, maxDecodedBytes: limit },
            { service: address, requestId: undefined }
          ).pipe(
            Stream.timeoutOrElse({
              duration: stall,
              orElse: () => Stream.fail(broken(address, `nothing came for ${Duration.format(stall)}`))
            })
          )
          // Closed before it is moved or removed: Windows does neither to a file that is open.
          yield* Effect.scoped(
            Effect.gen(function* () {
              const out = yield* io(fs.open(part, { flag: received > 0 ? "a" : "w" }))
              yield* Stream.runForEach(chunks, (chunk) =>
                Effect.gen(function* () {
                  yield* io(out.writeAll(chunk))
                  hash.update(chunk)
                  received += chunk.length
                  if (onProgress !== undefined) yield* onProgress({ file, received, total: info.size })
                })
              )
              yield* io(out.sync)
            })
          )
        }

        if (end !== undefined && received > end) return yield* anew("more came than a part said")
        const wrong = mismatch(info, received, hash)
        if (wrong !== undefined) {
          // A body that ends early is a broken connection, and what came of it is good.
          if (info.size === undefined || received >= info.size) yield* io(fs.remove(part, { force: true }))
          const detail = `${file} came ${wrong}`
          return yield* resumed || received < (info.size ?? 0)
            ? broken(address, detail)
            : fail(`${detail}. Nothing of it was kept`)
        }
        yield* io(fs.rename(part, target))
        yield* WholeFile.syncFolder(dirname(target))
      })
    ).pipe(Effect.provideService(FileSystem.FileSystem, fs))

  return { endpoint, head, download }
})

/** Git names a file by the SHA-1 of its size and content; everything else is taken for SHA-256. */
const hasher = ({ etag, size }: FileInfo): Hash =>
  etag?.length === 40 && size !== undefined
    ? createHash("sha1").update(`blob ${size}\0`)
    : createHash("sha256")

const mismatch = ({ etag, size }: FileInfo, received: number, hash: Hash): string | undefined => {
  if (size !== undefined && received !== size) return `with ${received} bytes, where the Hub says ${size}`
  const isDigest = etag !== undefined && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) && size !== undefined
  const digest = hash.digest("hex")
  return isDigest && digest !== etag ? `with the digest ${digest}, where the Hub says ${etag}` : undefined
}

/**
 * The file to download into: one that can be gone on with, for the first that comes; a file of its own, which goes with the scope,
 * for others that want the same at the same time, and where another user has left one that is not to be written to.
 */
const claim = Effect.fnUntraced(function* (
  target: string,
  etag: string | undefined
): Effect.fn.Return<string, never, Scope.Scope | FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const shared = `${target}.${(etag ?? "unknown").replaceAll(/[^\w-]/g, "").slice(0, 16)}.part`
  const isMine = yield* Effect.isSuccess(Lock.acquire(dirname(target), `${basename(shared)}.lock`))
  const isUsable = Effect.match(fs.access(shared, { writable: true }), {
    onSuccess: () => true,
    onFailure: ({ reason }) => reason._tag === "NotFound"
  })
  if (isMine && (yield* isUsable)) return shared
  return yield* Effect.acquireRelease(Effect.succeed(`${shared}.${randomHex(8)}`), (own) =>
    Effect.ignore(fs.remove(own, { force: true }))
  )
})
