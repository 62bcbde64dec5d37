/**
 * A file from a URL to the disk, whatever happens on the way: it is streamed, its memory does not grow with it; a
 * connection that breaks is gone on with where it broke, if the file is provably still the same (`Range` with `If-Range`
 * and its ETag), else from the start; and at its name there is the whole file, checked and on the disk, or nothing.
 *
 * Its URL often comes from a service: addresses of this machine and of private networks are refused unless
 * `allowPrivate` names them, also those that redirects lead to. The file's name is yours, or the service's after
 * `FileName.clean`; one that is not yours never replaces a file.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Download } from "effect-segformer/jobs"
 *
 * const program = Effect.gen(function* () {
 *   const file = yield* Download.file("https://example.org/weights.onnx", {
 *     folder: "models",
 *     sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
 *   })
 *   return file.path
 * })
 * ```
 */
import { Context, Effect, FileSystem, Layer, Queue, type Redacted, Scope, Semaphore, Stream } from "effect"
import type { HttpClient } from "effect/http"
import type { NotWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import * as Policy from "../policy/Policy.ts"
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import * as AddressGuard from "../service/AddressGuard.ts"
import * as Body from "../service/Body.ts"
import * as Exchange from "../service/Exchange.ts"
import type { Hosts } from "../service/Hosts.ts"
import { InvalidUrl } from "../service/ServiceError.ts"
import { type DownloadError, WrongDigest, WrongLength } from "./DownloadError.ts"
import * as FileName from "./FileName.ts"
import * as PartialFile from "./PartialFile.ts"
import * as Transfer from "./Transfer.ts"
import type { Failure, FileOptions, Progress } from "./Transfer.ts"
import { span, standard } from "../TelemetryNames.ts"

export type { Failure, FileOptions, Progress }

/** A file that is whole, and on the disk. */
export interface DownloadedFile {
  readonly _tag: "DownloadedFile"
  readonly path: string
  readonly name: string
  /** In bytes. */
  readonly size: number
  /** In hexadecimal. */
  readonly sha256: string
  /** As its service calls it. */
  readonly mediaType: string | undefined
  /** How often its connection broke, or the file changed under way. */
  readonly resumes: number
}

/** What is true of all downloads of a downloader. */
export interface DownloaderOptions {
  /**
   * A service that the program knows. What goes along to it goes nowhere else, and it may be on this machine or in a
   * private network.
   */
  readonly service?:
    | {
        readonly baseUrl: string
        readonly apiKey?: Redacted.Redacted | undefined
        readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
      }
    | undefined
  /** The only hosts that may be asked, besides the service's. Any public one by default. */
  readonly hosts?: Hosts | undefined
  /** Hosts that may lead to private addresses. None by default. */
  readonly allowPrivate?: Hosts | undefined
  /** Bytes of one file. 4 GiB by default. */
  readonly maxBytes?: number | undefined
  /**
   * `attemptTimeout` (30 seconds) bounds each silence, `deadline` (off) the whole, `retry.times` (3) the attempts in a row
   * that bring nothing, `concurrency` (10) the downloads at once.
   */
  readonly policy?: Policy.PolicyOptions | undefined
  /** How often one file is gone on with, though each time some of it came. 100 by default. */
  readonly maxResumes?: number | undefined
}

/** Downloads files, under one policy for each origin. */
export interface Downloader {
  readonly file: (url: string, options: FileOptions) => Effect.Effect<DownloadedFile, Failure>
  /** The same as a stream: how far it is, and at its end the file. Who falls behind misses only progress. */
  readonly stream: (url: string, options: FileOptions) => Stream.Stream<Progress | DownloadedFile, Failure>
}

/** A downloader over the `HttpClient` and the `FileSystem` of the context; its policies end with the scope. */
export const make = Effect.fnUntraced(function* (
  options: DownloaderOptions = {}
): Effect.fn.Return<Downloader, InvalidUrl, HttpClient.HttpClient | FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const scope = yield* Effect.scope
  const base =
    options.service === undefined ? undefined : yield* Exchange.parseBaseUrl(options.service.baseUrl)
  const own = base === undefined ? [] : [base.host]
  const guard = AddressGuard.layer({
    hosts: options.hosts === undefined ? undefined : [...options.hosts, ...own],
    allowPrivate: [...(options.allowPrivate ?? []), ...own]
  })
  // What the client of this context can do (free chunks, decompress) is not known where files are asked for.
  const context = Context.merge(yield* Effect.context<never>(), yield* Layer.build(guard))
  const policy = Policy.make(options.policy ?? {})
  const { maxBytes = 4 * 1024 ** 3, maxResumes = 100 } = options
  const permits = Semaphore.makeUnsafe(policy.concurrency)
  const runners = new Map<string, PolicyRunner.PolicyRunner>()

  /** One circuit and one budget for each origin. Its deadline and its queue are those of whole downloads, not of requests. */
  const runnerOf = (origin: string) =>
    Effect.suspend(() => {
      const known = runners.get(origin)
      if (known !== undefined) return Effect.succeed(known)
      return PolicyRunner.make({ service: origin, policy: { ...policy, deadline: undefined } }).pipe(
        Scope.provide(scope),
        Effect.tap((runner) => Effect.sync(() => void runners.set(origin, runner)))
      )
    })

  const credentialsFor = (url: URL) =>
    url.origin === base?.origin ? { apiKey: options.service?.apiKey, headers: options.service?.headers } : {}

  /** What came becomes the file, where it is what it should be. */
  const complete = Effect.fnUntraced(function* (
    partial: PartialFile.PartialFile,
    url: string,
    wanted: FileOptions
  ): Effect.fn.Return<Omit<DownloadedFile, "resumes">, DownloadError> {
    const size = partial.received()
    if (wanted.length !== undefined && size !== wanted.length) {
      return yield* new WrongLength({ url, expected: wanted.length, actual: size })
    }
    const digests = yield* partial.finish
    const start = partial.start()
    yield* verify(url, digests, wanted, start?.digests)
    const path = yield* named(partial, wanted, start?.name ?? "")
    const name = path.slice(wanted.folder.length + 1)
    return {
      _tag: "DownloadedFile",
      path,
      name,
      size,
      sha256: digests["sha-256"],
      mediaType: start?.mediaType
    }
  })

  const download = Effect.fnUntraced(function* (
    url: URL,
    wanted: FileOptions
  ): Effect.fn.Return<DownloadedFile, Failure, Scope.Scope> {
    const place = url.origin + url.pathname
    const exchange = yield* Exchange.make({
      baseUrl: url.origin,
      ...credentialsFor(url),
      // Each hop is judged by the guard, and nothing of ours goes along.
      redirects: { hosts: "any" },
      idempotencyHeader: false
    }).pipe(Effect.provideContext(context))
    const runner = yield* runnerOf(url.origin)
    const { folder } = wanted
    yield* Effect.provideService(WholeFile.makeFolder(folder), FileSystem.FileSystem, fs)
    const partial = yield* PartialFile.open({
      fs,
      folder,
      url: place,
      address: url.href,
      keep: wanted.keepPartial ?? false,
      hasMd5: wanted.md5 !== undefined
    })
    return yield* Transfer.run({
      url,
      place,
      exchange,
      runner,
      partial,
      policy,
      maxBytes,
      maxResumes,
      wanted
    }).pipe(
      Effect.flatMap((resumes) =>
        Effect.map(complete(partial, place, wanted), (done): DownloadedFile => ({ ...done, resumes }))
      ),
      // What is not the file that was asked for is nothing to go on with.
      Effect.tapError((error) => (isWrong(error) ? partial.discard : Effect.void))
    )
  })

  const file: Downloader["file"] = (address, given) =>
    Effect.flatMap(parse(address), (url) => {
      // Without a name it is the folder of the process, not the root of the disk.
      const wanted = given.folder === "" ? { ...given, folder: "." } : given
      const place = url.origin + url.pathname
      const whole = permits.withPermit(Effect.scoped(download(url, wanted)))
      const { deadline } = policy
      const bounded =
        deadline === undefined
          ? whole
          : Effect.timeoutOrElse(whole, {
              duration: deadline,
              orElse: () => Effect.fail(Transfer.late(place, "deadline", deadline))
            })
      return span("Download.file", { [standard.url]: place })(bounded)
    })

  const stream: Downloader["stream"] = (url, wanted) =>
    Stream.callback<Progress | DownloadedFile, Failure>(
      (queue) =>
        file(url, {
          ...wanted,
          onProgress: (progress) =>
            Effect.andThen(Queue.offer(queue, progress), wanted.onProgress?.(progress) ?? Effect.void)
        }).pipe(
          Effect.flatMap((done) => Queue.offer(queue, done)),
          Effect.andThen(Queue.end(queue))
        ),
      { bufferSize: 16, strategy: "sliding" }
    )

  return { file, stream }
})

/** One file, with a downloader of its own. */
export const file = (
  url: string,
  options: FileOptions & DownloaderOptions
): Effect.Effect<DownloadedFile, Failure, HttpClient.HttpClient | FileSystem.FileSystem> =>
  Effect.scoped(Effect.flatMap(make(options), (downloader) => downloader.file(url, options)))

/** One file as a stream of its progress, with a downloader of its own. */
export const stream = (
  url: string,
  options: FileOptions & DownloaderOptions
): Stream.Stream<Progress | DownloadedFile, Failure, HttpClient.HttpClient | FileSystem.FileSystem> =>
  Stream.unwrap(Effect.map(make(options), (downloader) => downloader.stream(url, options)))

const parse = (address: string): Effect.Effect<URL, InvalidUrl> => {
  const url = URL.canParse(address) ? new URL(address) : undefined
  const refuse = (detail: string) =>
    Effect.fail(
      new InvalidUrl({
        url: Body.withoutQuery(address)
          .replace(/\/\/.*@/s, "//")
          .slice(0, 200),
        detail
      })
    )
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    return refuse("a file is downloaded from a whole http(s) URL")
  }
  return url.username === "" && url.password === ""
    ? Effect.succeed(url)
    : refuse("a name and password do not belong in it. Give the key as `service.apiKey`, or as a header")
}

const isWrong = (error: Failure): boolean =>
  error._tag === "FileTooLarge" || error._tag === "WrongLength" || error._tag === "WrongDigest"

/** What the caller expects goes before what the service promises. */
const verify = (
  url: string,
  actual: PartialFile.Digests,
  wanted: FileOptions,
  promised: PartialFile.Start["digests"] | undefined
): Effect.Effect<void, WrongDigest> => {
  const claims = [
    ["sha-256", "caller", wanted.sha256],
    ["md5", "caller", wanted.md5],
    ["sha-256", "service", promised?.["sha-256"]],
    ["md5", "service", promised?.md5]
  ] as const
  for (const [algorithm, said, claim] of claims) {
    const expected = claim?.trim().toLowerCase()
    const found = actual[algorithm]
    if (expected !== undefined && found !== undefined && expected !== found) {
      return Effect.fail(new WrongDigest({ url, algorithm, expected, actual: found, said }))
    }
  }
  return Effect.void
}

/** Gives the file its name, and tells where that is: a name of the caller's may replace a file, another may not. */
const named = Effect.fnUntraced(function* (
  partial: PartialFile.PartialFile,
  { folder, name }: FileOptions,
  suggested: string
): Effect.fn.Return<string, NotWritten> {
  const cleaned = FileName.clean(name ?? suggested)
  for (let number = 1; ; number++) {
    const path = `${folder}/${number === 1 ? cleaned : FileName.numbered(cleaned, number)}`
    if (yield* partial.moveTo(path, name !== undefined)) return path
  }
})
