/** What of the platform beneath an `HttpClient` the reading of bodies makes use of. */
import { Context, Effect, type Scope, type Stream } from "effect"

/** Takes an encoding off. Data that is not of it fails with what `onError` makes of the cause. */
export type Decompressor = <E>(
  self: Stream.Stream<Uint8Array, E>,
  onError: (cause: unknown) => E
) => Stream.Stream<Uint8Array, E>

/** What the platform of an `HttpClient` can do that not every runtime can. */
export interface Platform {
  /** Takes off encodings that `DecompressionStream` does not know, by their names in `Content-Encoding`. */
  readonly decompressors: Readonly<Record<string, Decompressor>>
  /** Frees the memory of a chunk that the client has read and nobody looks at any more. */
  readonly release: (chunk: Uint8Array) => void
  /** So many connections to an origin, for the requests that are made in its context, until the scope ends. */
  readonly pool: (connections: number) => Effect.Effect<Pool, never, Scope.Scope>
}

/** The context in which requests share connections; empty where the client cannot be told how many it may open. */
export type Pool = Context.Context<never>

/** The platform beneath. No client says so itself: `NodeHttp.layer` sets it with its own. */
export const Platform = Context.Reference<Platform>("effect-segformer/service/Body/Platform", {
  defaultValue: () => anyPlatform
})

/** What any runtime can do. */
export const anyPlatform: Platform = {
  decompressors: {},
  release: () => {},
  pool: () => Effect.succeed(Context.empty())
}
