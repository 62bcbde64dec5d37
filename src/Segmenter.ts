/**
 * The program: an image goes in, a segmentation comes out. Whichever layer provides the `Transport` does the work;
 * everything else (limits, retries, time-outs, validation) is the same.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ImageSource, segment } from "effect-segformer"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 *
 * const program = Effect.gen(function* () {
 *   const segmentation = yield* segment(ImageSource.bytes(Fixtures.image))
 *   const regions = yield* segmentation.regions
 *   return regions.map((region) => region.className)
 * })
 * const fake = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
 * await Effect.runPromise(Effect.provide(program, fake)) // => ["background", "scratch", "particle"]
 * ```
 */
import { Context, Effect, Function, Result, Stream } from "effect"
import { otherPages } from "./image/Image.ts"
import { type Image, type ImageLimits, type ImageSource, opened, type Services } from "./image/ImageSource.ts"
import { omitUndefined } from "./policy/OmitUndefined.ts"
import * as Policy from "./policy/Policy.ts"
import type { CallPolicyOptions } from "./policy/Policy.ts"
import type { Prediction } from "./Prediction.ts"
import { fromPrediction, type Segmentation, type SizeRule } from "./Segmentation.ts"
import type { SegmentationError } from "./SegmentationError.ts"
import { Transport } from "./Transport.ts"
import { own, span } from "./TelemetryNames.ts"
import * as Throttled from "./Throttled.ts"
import * as ErrorKind from "./ErrorKind.ts"

export interface SegmentOptions {
  /** Checked against the image's header, before anything is decoded or sent. */
  readonly limits?: Partial<ImageLimits> | undefined
  /** Changes to the transport's policy for this call: to the parts of it that calls do not share. */
  readonly policy?: CallPolicyOptions | undefined
  /** Replaces `error.isRetryable`; the number of attempts stays bounded. */
  readonly retryWhen?: ((error: SegmentationError) => boolean) | undefined
  /** Repeat when the prediction is like this: empty where something must be, say. The last one is given. */
  readonly retryResult?: ((prediction: Prediction) => boolean) | undefined
  /**
   * What to do with a label map of another size than the image: `"resize"` (nearest neighbour) or `"refuse"`. By default it
   * is resized unless its shape contradicts the image's, such as one whose rows are columns.
   */
  readonly otherSize?: SizeRule | undefined
}

/**
 * Segments one image: a source, or one that was opened already, and is held to the limits of then. Of options alone it
 * makes a function for `pipe`.
 */
export const segment: {
  (
    options?: SegmentOptions
  ): <S extends ImageSource<unknown> | Image>(
    source: S
  ) => Effect.Effect<Segmentation, SegmentationError, Transport | Services<S>>
  <S extends ImageSource<unknown> | Image>(
    source: S,
    options?: SegmentOptions
  ): Effect.Effect<Segmentation, SegmentationError, Transport | Services<S>>
} = Function.dual(
  (args) => isImage(args[0]),
  <R>(
    source: ImageSource<R> | Image,
    options?: SegmentOptions
  ): Effect.Effect<Segmentation, SegmentationError, Transport | R> =>
    segmentIn(source, options).pipe(span("Segmenter.segment"))
)

/** What calls within an effect have that do not say otherwise. */
const Override = Context.Reference<SegmentOptions>("effect-segformer/Segmenter/Override", {
  defaultValue: () => ({})
})

/**
 * Changes the options of every `segment` within an effect, also where another function calls it: those of a call go before
 * these, and of two around each other the inner ones, part by part of the policy.
 */
export const withSegmentOptions: {
  (options: SegmentOptions): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, options: SegmentOptions): Effect.Effect<A, E, R>
} = Function.dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, options: SegmentOptions) =>
  Effect.updateService(self, Override, (outer) => merged(options, outer))
)

const merged = (over: SegmentOptions, under: SegmentOptions): SegmentOptions => {
  const { deadline, attemptTimeout, retry, resend } = Policy.merge(over.policy ?? {}, under.policy ?? {})
  return {
    ...under,
    ...omitUndefined(over),
    limits: { ...under.limits, ...omitUndefined(over.limits ?? {}) },
    policy: omitUndefined({ deadline, attemptTimeout, retry, resend })
  }
}

/** Whether it is what is segmented, and not how. Throws for what plain JavaScript may give in its place. */
const isImage = (first: unknown): boolean => {
  if (typeof first === "string" || ArrayBuffer.isView(first) || first instanceof URL)
    throw new TypeError("segment takes an ImageSource, such as ImageSource.file(path), or .bytes or .url")
  return typeof first === "object" && first !== null && ("open" in first || "bytes" in first)
}

const segmentIn = Effect.fnUntraced(function* <R>(
  source: ImageSource<R> | Image,
  given?: SegmentOptions
): Effect.fn.Return<Segmentation, SegmentationError, Transport | R> {
  const transport = yield* Transport
  const around = yield* Override
  const options = Object.keys(around).length === 0 ? given : merged(given ?? {}, around)
  const image = yield* opened(source, options?.limits)
  yield* Effect.annotateCurrentSpan({
    [own.transport]: transport.name,
    [own.format]: image.format,
    [own.width]: image.width,
    [own.height]: image.height
  })
  if (image.hasMore === true)
    yield* Effect.logWarning(
      otherPages(
        image.source,
        `Of a TIFF, GIF or WebP ask for another as ${image.source}#2 or by --page in a command, by ImageSource.view in a program`
      )
    )
  const request = { image, otherSize: options?.otherSize }
  const outcome = yield* transport.runner.run((attempt) => transport.predict(request, attempt), options)
  const { value: prediction } = outcome
  const cost = {
    attempts: outcome.attempts,
    duration: outcome.duration,
    serviceTime: prediction.serviceTime,
    requestId: prediction.requestId ?? outcome.callId
  }
  return yield* fromPrediction(image, prediction, transport.name, cost, options?.otherSize, transport.runner)
})

/** One image of many: where it stood, what it is called, and how it went. */
export interface SegmentedItem {
  /** Position in the stream of sources, from 0. */
  readonly index: number
  readonly name: string
  readonly result: Result.Result<Segmentation, SegmentationError>
}

export interface SegmentAllOptions extends SegmentOptions {
  /** Images under way at once. 4 by default. The stream of sources is pulled no faster than results are taken. */
  readonly concurrency?: number | undefined
  /** `"source"` keeps the order of the sources, which is the default; `"completion"` gives results as they come. */
  readonly order?: "source" | "completion" | undefined
}

/**
 * Segments a stream of images into a stream of results, back-pressured, and no faster than the service grants: where it
 * refuses because there are too many (429, 503), they slow down together, and are asked for again. A failure is an item like any other and ends
 * nothing; with `stopOnFailure` the first one ends the stream and interrupts what is under way. Of options alone it makes
 * a function for `pipe`.
 */
export const segmentAll: {
  (
    options: SegmentAllOptions & { readonly stopOnFailure: true }
  ): <S extends ImageSource<unknown>, E, R2>(
    sources: Stream.Stream<S, E, R2>
  ) => Stream.Stream<Segmentation, E | SegmentationError, Transport | Services<S> | R2>
  (
    options?: SegmentAllOptions & { readonly stopOnFailure?: false | undefined }
  ): <S extends ImageSource<unknown>, E, R2>(
    sources: Stream.Stream<S, E, R2>
  ) => Stream.Stream<SegmentedItem, E, Transport | Services<S> | R2>
  (
    options: SegmentAllOptions & { readonly stopOnFailure?: boolean | undefined }
  ): <S extends ImageSource<unknown>, E, R2>(
    sources: Stream.Stream<S, E, R2>
  ) => Stream.Stream<Segmentation | SegmentedItem, E | SegmentationError, Transport | Services<S> | R2>
  <S extends ImageSource<unknown>, E, R2>(
    sources: Stream.Stream<S, E, R2>,
    options: SegmentAllOptions & { readonly stopOnFailure: true }
  ): Stream.Stream<Segmentation, E | SegmentationError, Transport | Services<S> | R2>
  <S extends ImageSource<unknown>, E, R2>(
    sources: Stream.Stream<S, E, R2>,
    options?: SegmentAllOptions & { readonly stopOnFailure?: false | undefined }
  ): Stream.Stream<SegmentedItem, E, Transport | Services<S> | R2>
  <S extends ImageSource<unknown>, E, R2>(
    sources: Stream.Stream<S, E, R2>,
    options?: SegmentAllOptions & { readonly stopOnFailure?: boolean | undefined }
  ): Stream.Stream<Segmentation | SegmentedItem, E | SegmentationError, Transport | Services<S> | R2>
} = Function.dual((args) => Stream.isStream(args[0]), many)

function many<R, E, R2>(
  sources: Stream.Stream<ImageSource<R>, E, R2>,
  options?: SegmentAllOptions & { readonly stopOnFailure?: boolean | undefined }
): Stream.Stream<Segmentation | SegmentedItem, E | SegmentationError, Transport | R | R2> {
  const concurrency = options?.concurrency ?? 4
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new RangeError(
      `segmentAll: \`concurrency\` must be a whole number of at least 1, but is ${concurrency}`
    )
  ErrorKind.oneOf("segmentAll", "order", options?.order, ["source", "completion"])
  const concurrent = { concurrency, unordered: options?.order === "completion" }
  return Stream.unwrap(
    Effect.map(
      Throttled.make,
      ({
        transport,
        whileOthersAreGranted
      }): Stream.Stream<Segmentation | SegmentedItem, E | SegmentationError, R | R2> => {
        const one = (source: ImageSource<R>): Effect.Effect<Segmentation, SegmentationError, R> =>
          whileOthersAreGranted(
            Effect.provideService(segment(source, options), Transport, transport),
            options
          )
        return options?.stopOnFailure === true
          ? Stream.mapEffect(sources, one, concurrent)
          : Stream.mapEffect(
              sources,
              (source, index) =>
                Effect.map(Effect.result(one(source)), (result): SegmentedItem => ({
                  index,
                  name: source.name,
                  result
                })),
              concurrent
            )
      }
    )
  )
}
