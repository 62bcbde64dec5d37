/** What a server is told: where it listens, what it takes, who may ask. */
import { Duration, type Effect, type Layer, type Redacted } from "effect"
import type { Transport } from "../Transport.ts"
import type { Active } from "./Companions.ts"
import type { Dialect, ServerLimits } from "./Dialect.ts"
import type { JobsOptions } from "./jobs/JobsOptions.ts"
import type { Refusal } from "./Refusal.ts"
import type { MicroBatchOptions } from "./MicroBatch.ts"

/** What routes of one kind take, where that is less than the server does. */
export interface RouteLimits {
  /** Bytes of one image file. */
  readonly maxBytes?: number | undefined
  /** Width times height of one image. */
  readonly maxPixels?: number | undefined
  /** Images in one request. */
  readonly maxImages?: number | undefined
  /** Of these routes' images, those worked on at once. */
  readonly concurrency?: number | undefined
  /** For one image, from its turn to its answer. */
  readonly timeout?: Duration.Input | undefined
}

/** Who a good token belongs to. */
export interface Caller {
  /** Such as the name of an account. It appears in logs and traces. */
  readonly subject: string
}

/** `E` and `R` are those of `models`. */
export interface SegFormerServerOptions<out E = never, out R = never> {
  /** 127.0.0.1 by default: this machine only. */
  readonly host?: string | undefined
  /** 8080 by default; 0 for any that is free. */
  readonly port?: number | undefined
  /** The inspection service's by default. The first one has paths that several have, and answers for those that none has. */
  readonly dialects?: ReadonlyArray<Dialect> | undefined
  /**
   * What the model is called in requests that name one. As the segmenter calls it by default; `segformer` is understood
   * as well.
   */
  readonly name?: string | undefined
  /** Further models by name, for `/v1/segment?model=name`. Dialects have the one that is provided as `Transport`. */
  readonly models?: Readonly<Record<string, Layer.Layer<Transport, E, R>>> | undefined
  /** Jobs at `/v1/jobs`. On by default, in a temporary folder. */
  readonly jobs?: JobsOptions | false | undefined
  /** The page at `/`. On by default. */
  readonly page?: boolean | undefined

  /** Whoever sends one of these as bearer token may come in. Without tokens and `authorize` everybody may. */
  readonly tokens?: ReadonlyArray<Redacted.Redacted> | undefined
  /**
   * Asked about bearer tokens that are none of `tokens`: whose it is, or whether it is good. It may refuse with 401, 403,
   * 429 or 503; any other refusal is told as 503, and logged.
   */
  readonly authorize?: ((token: Redacted.Redacted) => Effect.Effect<boolean | Caller, Refusal>) | undefined
  /** Told of each image that `/v1/segment` has segmented, and for whom. The answer waits for it. */
  readonly active?: Active | undefined
  /**
   * Listen on other addresses than loopback although everybody may come in, and answer to any name: a server without tokens
   * refuses requests whose `Host` is none of this machine's own. Off by default.
   */
  readonly allowAnyone?: boolean | undefined

  /** Bytes of one image file. 50 MiB by default. */
  readonly maxBytes?: number | undefined
  /** Width times height of one image. 50 million by default. */
  readonly maxPixels?: number | undefined
  /** Images in one request. 64 by default. */
  readonly maxImages?: number | undefined
  /** Bytes of one request with several images. 200 MiB by default. */
  readonly maxBatchBytes?: number | undefined
  /** Images worked on at once. 2 by default, or two batches where images are predicted in batches. */
  readonly concurrency?: number | undefined
  /** For one image, from its turn to its answer. 2 minutes by default. */
  readonly timeout?: Duration.Input | undefined
  /** Stricter limits by dialect (`inspection`, …), and for `v1`. */
  readonly routes?: Readonly<Record<string, RouteLimits>> | undefined
  /** Requests that may wait besides those worked on. 32 by default; one more is refused. */
  readonly queue?: number | undefined
  /** Bytes of bodies held at once, over all requests. 512 MiB by default. */
  readonly maxHeldBytes?: number | undefined
  /** Connections open at once. 1,024 by default. */
  readonly maxConnections?: number | undefined
  /** For the headers of a request to arrive. 10 seconds by default. */
  readonly headersTimeout?: Duration.Input | undefined
  /** For its body. 60 seconds by default. */
  readonly bodyTimeout?: Duration.Input | undefined
  /** A client that takes nothing of its answer for so long is cut off. 30 seconds by default. */
  readonly writeTimeout?: Duration.Input | undefined
  /** How long requests under way may take to finish once the server is to stop. 20 seconds by default. */
  readonly drain?: Duration.Input | undefined

  /** Bytes of results kept for images that come again, over all models. None by default. */
  readonly cacheBytes?: number | undefined
  /**
   * Predict images that arrive together as one batch, where the transport can (`predictMany`); any other predicts them
   * one by one. On by default; `false` for never.
   */
  readonly batch?: MicroBatchOptions | false | undefined
}

/** This machine only. */
export const defaultHost = "127.0.0.1"

/** In milliseconds. */
export const millis = (value: Duration.Input | undefined, otherwise: number): number =>
  value === undefined ? otherwise : Duration.toMillis(value)

/** What the server takes. */
export const limits = (options: Omit<SegFormerServerOptions<unknown, unknown>, "models">): ServerLimits => ({
  maxBytes: options.maxBytes ?? 50 * 1024 * 1024,
  maxPixels: options.maxPixels ?? 50_000_000,
  maxImages: options.maxImages ?? 64,
  maxBatchBytes: options.maxBatchBytes ?? 200 * 1024 * 1024,
  bodyTimeout: millis(options.bodyTimeout, 60_000)
})
