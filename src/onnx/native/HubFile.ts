/**
 * One file of the Hub: what the Hub says of it, and its download in pieces.
 *
 * The bytes go into a `.part` file beside the target, named after the digest that they must have. Only when size and
 * digest are right does it become the target, so that whoever finds the target may trust it.
 */
import { createHash, type Hash, randomUUID } from "node:crypto"
import { createReadStream } from "node:fs"
import {
  constants,
  copyFile,
  link,
  mkdir,
  open as openFile,
  readFile,
  rename,
  rm,
  stat,
  writeFile
} from "node:fs/promises"
import { dirname } from "node:path"
import { Duration, Effect, FileSystem, Redacted, type Scope, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { isAlive } from "../../files/Lock.ts"
import * as WholeFile from "../../files/WholeFile.ts"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import * as Body from "../../service/Body.ts"
import { parseBaseUrl } from "../../service/Exchange.ts"
import * as Secrets from "../../service/Secrets.ts"
import {
  ConnectionFailed,
  type InvalidUrl,
  RedirectRefused,
  type ServiceError
} from "../../service/ServiceError.ts"
import { fromStatus } from "../../service/StatusError.ts"
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
          Effect.mapError(
            ({ reason }) =>
              new ConnectionFailed({
                service,
                code: Body.codeOf(reason.cause),
                phase: "sending",
                sent: "maybe",
                detail: Body.describe(reason.cause)
              })
          )
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
    `${endpoint}/${model}/resolve/${encodeURIComponent(revision)}/${file}`

  const refused = (status: number, file: string, service: string): Failure => {
    if (status === 404)
      return fail(`${service} is not there. The model has no ${file}, or there is no such model`)
    if (status === 401 || status === 403) {
      return fail(`${endpoint} wants a token that may read it (${status}). Set HF_TOKEN, and check the name`)
    }
    return fromStatus({ service, status, detail: "" })
  }

  const head: Hub["head"] = (revision, file) =>
    Effect.scoped(
      Effect.gen(function* () {
        const address = addressOf(revision, file)
        const { headers, status } = yield* request("HEAD", address, {})
        if (status >= 400) return yield* refused(status, file, address)
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
        const io = <A>(run: () => Promise<A>) =>
          Effect.tryPromise({ try: run, catch: (cause) => fail(`cannot write ${target} (${String(cause)})`) })
        yield* io(() => mkdir(dirname(target), { recursive: true }))
        const part = yield* claim(target, info.etag, io)
        const before = yield* io(() => sizeOf(part))
        const resumed = before > 0 && (info.size === undefined || before <= info.size)
        const from = resumed ? before : 0
        const address = addressOf(revision, file)

        let received = from
        let hash = hasher(info)
        if (from > 0 && from === info.size) {
          yield* io(() => hashFile(hash, part))
        } else {
          const response = yield* request("GET", address, from > 0 ? { range: `bytes=${from}-` } : {})
          if (response.status === 416) {
            yield* io(() => rm(part, { force: true }))
            return yield* broken(address, "the rest of the file could not be had, starting over")
          }
          if (response.status >= 300) return yield* refused(response.status, file, address)
          const goesOn = response.status === 206 && startOf(response.headers["content-range"]) === from
          if (from > 0 && goesOn) yield* io(() => hashFile(hash, part))
          else received = 0
          const handle = yield* Effect.acquireRelease(
            io(() => openFile(part, received > 0 ? "a" : "w")),
            (handle) => Effect.promise(() => handle.close().catch(() => {}))
          )
          const limit = (info.size ?? maxBytes) - received
          yield* Stream.runForEach(
            Body.stream(
              response,
              { maxBodyBytes: limit, maxDecodedBytes: limit },
              { service: address, requestId: undefined }
            ).pipe(
              Stream.timeoutOrElse({
                duration: stall,
                orElse: () => Stream.fail(broken(address, `nothing came for ${Duration.format(stall)}`))
              })
            ),
            (chunk) =>
              Effect.andThen(
                io(async () => {
                  await handle.writeFile(chunk)
                  hash.update(chunk)
                  received += chunk.length
                }),
                onProgress === undefined ? Effect.void : onProgress({ file, received, total: info.size })
              )
          )
          yield* io(() => handle.sync())
        }

        const wrong = mismatch(info, received, hash)
        if (wrong !== undefined) {
          // A body that ends early is a broken connection, and what came of it is good.
          if (info.size === undefined || received >= info.size) yield* io(() => rm(part, { force: true }))
          const detail = `${file} came ${wrong}`
          return yield* resumed || received < (info.size ?? 0)
            ? broken(address, detail)
            : fail(`${detail}. Nothing of it was kept`)
        }
        yield* io(() => rename(part, target))
        yield* Effect.provideService(WholeFile.syncFolder(dirname(target)), FileSystem.FileSystem, fs)
      })
    )

  return { endpoint, head, download }
})

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    (info) => info.size,
    () => 0
  )

/** Where a `Content-Range` such as `bytes 100-199/200` starts. */
const startOf = (range: string | undefined): number | undefined => {
  const start = /^bytes (\d+)-/.exec(range ?? "")?.[1]
  return start === undefined ? undefined : Number(start)
}

/** Git names a file by the SHA-1 of its size and content; everything else is taken for SHA-256. */
const hasher = ({ etag, size }: FileInfo): Hash =>
  etag?.length === 40 && size !== undefined
    ? createHash("sha1").update(`blob ${size}\0`)
    : createHash("sha256")

const hashFile = async (hash: Hash, path: string): Promise<void> => {
  for await (const chunk of createReadStream(path)) hash.update(chunk)
}

const mismatch = ({ etag, size }: FileInfo, received: number, hash: Hash): string | undefined => {
  if (size !== undefined && received !== size) return `with ${received} bytes, where the Hub says ${size}`
  const isDigest = etag !== undefined && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) && size !== undefined
  const digest = hash.digest("hex")
  return isDigest && digest !== etag ? `with the digest ${digest}, where the Hub says ${etag}` : undefined
}

type Io = <A>(run: () => Promise<A>) => Effect.Effect<A, ModelNotLoadable>

/** Gives a file another name, unless there is one. */
const linked = (path: string, name: string): Promise<boolean> =>
  link(path, name).then(
    () => true,
    async (cause: unknown) => {
      if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return false
      // Not every file system has links (exFAT, some that are mounted from elsewhere).
      return copyFile(path, name, constants.COPYFILE_EXCL).then(
        () => true,
        () => stat(name).then(() => false)
      )
    }
  )

/**
 * The file to download into: one that can be gone on with, for the first that comes; a file of its own, which goes
 * with the scope, for others that want the same at the same time.
 */
const claim = (
  target: string,
  etag: string | undefined,
  io: Io
): Effect.Effect<string, ModelNotLoadable, Scope.Scope> => {
  const shared = `${target}.${(etag ?? "unknown").replaceAll(/[^\w-]/g, "").slice(0, 16)}.part`
  const lock = `${shared}.lock`
  const remove = (path: string) => Effect.promise(() => rm(path, { force: true }).catch(() => {}))
  const take = io(async () => {
    const own = `${lock}.${randomUUID()}`
    // A link is made by one only, and its file is whole when it appears: an empty one would be taken for void.
    await writeFile(own, String(process.pid), { flag: "wx" })
    try {
      for (let tries = 0; tries < 2; tries++) {
        if (await linked(own, lock)) return true
        const holder = await readFile(lock, "utf8").catch(() => "")
        const pid = Number(holder)
        if (pid > 0 && isAlive(pid)) return false
        // Another may have been faster, and have put its own in its place.
        const aside = `${own}.void`
        await rename(lock, aside).catch(() => {})
        if ((await readFile(aside, "utf8").catch(() => holder)) !== holder) await linked(aside, lock)
        await rm(aside, { force: true })
      }
      return false
    } finally {
      await rm(own, { force: true })
    }
  })
  return Effect.flatMap(
    Effect.acquireRelease(take, (taken) => (taken ? remove(lock) : Effect.void)),
    (taken) =>
      taken
        ? Effect.succeed(shared)
        : Effect.acquireRelease(Effect.succeed(`${shared}.${randomUUID()}`), remove)
  )
}
