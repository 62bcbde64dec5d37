/**
 * A dialect: one wire protocol's server side, as routes over any segmenter. Limits, queue, log and drain are the
 * server's; a dialect reads requests and writes answers, and is one module.
 */
import type { Effect, FileSystem, Scope } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { HttpMethod } from "effect/http/HttpMethod"
import type { ImageCodec } from "../image/ImageCodec.ts"
import type { Image } from "../image/ImageSource.ts"
import type { Segmentation } from "../Segmentation.ts"
import type { Health, ModelDescription } from "../Transport.ts"
import type { Admission } from "./Admission.ts"
import type { Refusal } from "./Refusal.ts"
import type { Kept } from "./ResultCache.ts"
import type { ServerLimits } from "./ServerLimits.ts"

/** An image as it was uploaded, its name as the caller wrote it. */
export interface Upload {
  readonly name: string
  readonly bytes: Uint8Array
}

/** A segmented upload. */
export interface Segmented {
  readonly image: Image
  readonly segmentation: Segmentation
}

/** What is taken from a result. */
export interface Extraction<K> {
  /** Where it is kept: of `served.kept`, once for a dialect. */
  readonly kept: Kept<K>
  /** All that decides what `make` makes, besides the image and the model. */
  readonly question: string
  readonly make: (segmented: Segmented) => Effect.Effect<K, Refusal>
  /** What it takes, in bytes. It must not hold on to what it was made of. */
  readonly bytesOf: (extracted: K) => number
}

/** What the server is doing. */
export interface ServerState {
  /** Seconds since it began to listen. */
  readonly uptime: number
  /** Requests with images, those that wait included. */
  readonly present: number
  /** Images worked on now. */
  readonly working: number
  /** Images segmented, and images that failed, since it began to listen. */
  readonly segmented: number
  readonly failed: number
}

/** What a dialect has to work with. */
export interface Served {
  readonly limits: ServerLimits
  /** Images worked on at once. */
  readonly concurrency: number
  readonly codec: ImageCodec["Service"]
  readonly files: FileSystem.FileSystem
  readonly health: Effect.Effect<Health>
  readonly describe: Effect.Effect<ModelDescription, Refusal>
  readonly state: Effect.Effect<ServerState>
  /** For a request with images, until its scope ends: `Bodies.take` reads its body, and takes its place with it. */
  readonly enter: Admission["enter"]
  /**
   * Waits for a turn, segments, and hands the result on within the turn: rendering belongs there. Whoever wants to know
   * what callers do is told `segment`, unless the work that it is part of is told by `report`.
   */
  readonly segment: <A>(
    upload: Upload,
    use: (segmented: Segmented) => Effect.Effect<A, Refusal>,
    options?: { readonly isReported?: boolean | undefined }
  ) => Effect.Effect<A, Refusal>
  /**
   * As `segment`, in two steps: `make` takes from a result the little that answers need, which is kept for images that come again in
   * the place of the result, and `use` answers with it.
   */
  readonly extract: <K, A>(
    upload: Upload,
    extraction: Extraction<K>,
    use: (extracted: K) => Effect.Effect<A, Refusal>
  ) => Effect.Effect<A, Refusal>
  /** A kind of what `extract` keeps. */
  readonly kept: <K>() => Kept<K>
  /** Waits for a turn, then does work on pixels that is no segmentation. */
  readonly work: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Tells what the caller of a request did with an image, such as `crop`. */
  readonly report: (action: string) => Effect.Effect<void>
}

export interface DialectRoute {
  readonly method: HttpMethod
  /** As Effect's router writes it: `/v2/models/:name`, `/download/*`, `/:model/:version(^\d+$)`. */
  readonly path: `/${string}`
  readonly handle: (
    request: HttpServerRequest.HttpServerRequest,
    parameters: Readonly<Record<string, string | undefined>>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal, Scope.Scope>
  /** Where another dialect may have the path too: whether a request is for this one. Without, it has what no other says is its own. */
  readonly takes?: ((request: HttpServerRequest.HttpServerRequest) => boolean) | undefined
  /** Where this route refuses in another form than the rest of its dialect. */
  readonly refuse?: Dialect["refuse"] | undefined
}

const asked =
  (method: HttpMethod) =>
  (path: DialectRoute["path"], handle: DialectRoute["handle"]): DialectRoute => ({ method, path, handle })

/** A route that is asked with GET. */
export const get = asked("GET")
/** A route that is asked with POST. */
export const post = asked("POST")

/** Where a server listens. */
export interface Listening {
  /** Such as http://127.0.0.1:8080, as it is found from this machine. */
  readonly url: string
  readonly port: number
  /** Whether only this machine can reach it. */
  readonly isLoopback: boolean
}

export interface Dialect {
  /** As in configuration, such as `inspection`. */
  readonly name: string
  /** Its routes. What they need besides lives as long as the server. */
  readonly routes: (served: Served) => Effect.Effect<ReadonlyArray<DialectRoute>, never, Scope.Scope>
  /** The caller's token, where its clients put it elsewhere than in the header `Authorization`, which goes before. */
  readonly token?: ((request: HttpServerRequest.HttpServerRequest) => string | undefined) | undefined
  /** How it says no. `requestId` is that of the log. */
  readonly refuse: (refusal: Refusal, requestId?: string) => HttpServerResponse.HttpServerResponse
  /** What whoever starts it is to know, such as what to enter where: a line each. */
  readonly notice?: ((listening: Listening) => ReadonlyArray<string>) | undefined
}
