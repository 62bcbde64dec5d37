/** A segmenter behind limits, a queue and a memory of what it has done: what dialects and `/v1` work with. */
import { Clock, Duration, Effect, type FileSystem, Metric, Semaphore } from "effect"
import type { ImageCodec } from "../image/ImageCodec.ts"
import { otherPages } from "../image/Image.ts"
import { bytes, type Image } from "../image/ImageSource.ts"
import { segment } from "../Segmenter.ts"
import { Transport } from "../Transport.ts"
import type { Admission } from "./Admission.ts"
import { type Active, CurrentCaller } from "./Caller.ts"
import type { Served, Upload } from "./Dialect.ts"
import { RequestId } from "./RequestId.ts"
import * as ServerMetrics from "./ServerMetrics.ts"
import * as Refusals from "./Refusal.ts"
import * as Notes from "./Notes.ts"
import * as ResultCache from "./ResultCache.ts"
import * as ServerLimits from "./ServerLimits.ts"
import { millisOf } from "../policy/MonotonicClock.ts"

/** What all models of a server share. */
export interface Shared {
  readonly admission: Admission
  readonly limits: ServerLimits.ServerLimits
  readonly codec: ImageCodec["Service"]
  readonly files: FileSystem.FileSystem
  readonly cache: ResultCache.ResultCache | undefined
  readonly counts: { segmented: number; failed: number }
  /** On the monotonic clock. */
  readonly started: bigint
  /** Told of what callers do. */
  readonly active: Active | undefined
}

/** One model, for routes with limits of their own or without. */
export type Serving = (limits: ServerLimits.RouteLimits | undefined) => Served

/**
 * The segmenter; `name` is what callers call it, instead of what it says itself. `key` tells it from all others: two
 * models in folders of one name call themselves the same.
 */
export const make = Effect.fnUntraced(function* (
  transport: Transport["Service"],
  key: string,
  name: string | undefined,
  shared: Shared
): Effect.fn.Return<Serving> {
  const { active, admission, cache, codec, counts, files } = shared
  const report = (action: string) =>
    active === undefined
      ? Effect.void
      : Effect.flatMap(Effect.all([CurrentCaller, RequestId]), ([caller, resourceId]) =>
          active({ user: caller?.subject, action, resourceType: "image", resourceId })
        )
  const clock = yield* Clock.Clock
  // Asked with nearly every request in some dialects, and where it is another service's, over the network.
  const describe = yield* remembered(
    Effect.map(transport.describe, (model) => ({ ...model, name: name ?? model.name }))
  )
  const count = ServerMetrics.countImages(name ?? transport.name)
  const results = cache?.results
  const keyOf = ({ bytes }: Upload) => cache?.keyOf(key, bytes) ?? Effect.succeed("")
  /** Counts whether something was known. */
  const looked = <A>(found: A | undefined): Effect.Effect<A | undefined> =>
    cache === undefined
      ? Effect.succeed(found)
      : Effect.as(Metric.update(found === undefined ? ResultCache.misses : ResultCache.hits, 1), found)
  const made = (image: Image) =>
    segment({ ...image, hasMore: false }).pipe(
      Effect.provideService(Transport, transport),
      Effect.mapError(Refusals.fromError)
    )
  return (own) => {
    const limits = ServerLimits.stricter(shared.limits, own)
    const { concurrency, timeout } = limits
    const turns = concurrency < shared.limits.concurrency ? Semaphore.makeUnsafe(concurrency) : undefined
    const tooLong = new Refusals.Refusal({
      status: 504,
      detail: `The image took longer than the ${Duration.format(timeout)} it may take here`,
      tag: "TimedOut"
    })
    /** Waits for a turn and works on an upload in it. */
    const turn = <A>(
      upload: Upload,
      use: (image: Image) => Effect.Effect<A, Refusals.Refusal>,
      isReported: boolean
    ): Effect.Effect<A, Refusals.Refusal> => {
      const work = bytes(upload.bytes, { name: upload.name })
        .open(limits)
        .pipe(
          Effect.tap((image) => (image.hasMore === true ? firstOf(upload.name) : Effect.void)),
          Effect.mapError(Refusals.fromError),
          Effect.flatMap(use),
          Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(tooLong) }),
          Effect.onExit((exit) =>
            Effect.suspend(() => {
              const outcome = exit._tag === "Success" ? "segmented" : "failed"
              counts[outcome]++
              return count(outcome)
            })
          )
        )
      const done = turns === undefined ? admission.work(work) : turns.withPermit(admission.work(work))
      return isReported && active !== undefined ? Effect.tap(done, report("segment")) : done
    }
    return {
      limits,
      concurrency: shared.limits.concurrency,
      codec,
      files,
      enter: admission.enter,
      work: admission.work,
      health: Effect.catch(transport.health, (error) =>
        Effect.succeed({ healthy: false, detail: error.message })
      ),
      describe: Effect.mapError(describe, Refusals.fromError),
      state: Effect.sync(() => {
        const { present, working } = admission.state()
        return {
          uptime: Number(clock.monotonicTimeNanosUnsafe() - shared.started) / 1e9,
          present,
          working,
          ...counts
        }
      }),
      report,
      segment: (upload, use, { isReported = true } = {}) =>
        turn(
          upload,
          Effect.fnUntraced(function* (image) {
            const at = yield* keyOf(upload)
            const known = yield* looked(results?.find(at))
            const segmentation = known ?? (yield* made(image))
            if (known === undefined) results?.keep(at, segmentation, yield* ResultCache.sizeOf(segmentation))
            return yield* use({ image, segmentation })
          }),
          isReported
        ),
      kept: () => cache?.kept() ?? nothing,
      extract: (upload, { bytesOf, kept, make, question }, use) =>
        turn(
          upload,
          Effect.fnUntraced(function* (image) {
            const at = yield* keyOf(upload)
            const own = `${at} ${question}`
            const known = kept.find(own)
            const whole = known === undefined ? results?.find(at) : undefined
            yield* looked(known ?? whole)
            const extracted = known ?? (yield* make({ image, segmentation: whole ?? (yield* made(image)) }))
            if (known === undefined) kept.keep(own, extracted, ResultCache.overhead + bytesOf(extracted))
            return yield* use(extracted)
          }),
          true
        )
    }
  }
})

/** Where nothing is kept. */
const nothing = { find: () => undefined, keep: () => {} }

/** Who sent it is told, and the log: neither can ask this server for another page. */
const firstOf = (name: string) => {
  const text = otherPages(name, "Send another as a file of its own")
  return Effect.andThen(Notes.add(text), Effect.logWarning(text))
}

/** How long a description is taken for true, in milliseconds. */
const rememberedFor = 10_000

/** The same value for a while, once there is one: failures are not kept. */
const remembered = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<Effect.Effect<A, E>> =>
  Effect.map(Clock.Clock, (clock) => {
    let known: { readonly value: A; readonly at: number } | undefined
    return Effect.suspend(() => {
      const now = millisOf(clock)
      if (known !== undefined && now - known.at < rememberedFor) {
        return Effect.succeed(known.value)
      }
      return Effect.tap(self, (value) =>
        Effect.sync(() => {
          known = { value, at: now }
        })
      )
    })
  })
