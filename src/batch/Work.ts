/**
 * The body of work: one image becomes the results of all sinks, and a receipt. Both drivers, the one of this machine
 * and the one of many, run this and nothing else for an image; it can be repeated at any time.
 *
 * In order: the image is opened under the limits, read, and its content hashed; where that content was done before in
 * this run, its results are repeated; else it is segmented, and each sink writes.
 */
import { hash } from "node:crypto"
import { Deferred, Duration, Effect, Stream } from "effect"
import type { Image } from "../image/ImageSource.ts"
import { segment, type SegmentOptions } from "../Segmenter.ts"
import type { Segmentation } from "../Segmentation.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { Transport } from "../Transport.ts"
import type { SinkFailed } from "./BatchError.ts"
import type { Item } from "./Item.ts"
import type { Receipt } from "./Receipt.ts"
import type { Finding, Sink } from "./Sink.ts"
import * as Hashing from "../jobs/Hashing.ts"

/** The call to the segmenter. */
export type Call = Effect.Effect<Segmentation, SegmentationError, Transport>

export interface WorkOptions<R, E = never> {
  readonly sinks: ReadonlyArray<Sink<R>>
  readonly segment?: SegmentOptions | undefined
  /** Around the call to the segmenter, after the image is read and before results are written: to bound or pace it. */
  readonly around?:
    | ((call: Call) => Effect.Effect<Segmentation, SegmentationError | E, Transport>)
    | undefined
  /** The receipt of an image of this run with this content. By default none is known. */
  readonly find?: ((content: string) => Effect.Effect<Receipt | undefined>) | undefined
  /** Whether what was found still held when its results were repeated. Always, unless given. */
  readonly isStill?: ((found: Receipt) => Effect.Effect<boolean>) | undefined
}

/** Why there is no result of an image. */
export type WorkError = SegmentationError | SinkFailed

export interface Work<R, E = never> {
  /** Does one image. Safe to repeat: the results of the same item replace those before. */
  readonly process: <R2>(item: Item<R2>) => Effect.Effect<Receipt, WorkError | E, Transport | R | R2>
}

/** The work of a run; two sinks of one name are a mistake of the program, and throw. Images with the same content that are under way at once wait for the first of them. */
export const make = <R, E = never>(options: WorkOptions<R, E>): Work<R, E> => {
  const { sinks } = options
  const names = sinks.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined)
    throw new RangeError(`Batch: two sinks are named "${twice}"; each needs its own name`)
  const around = options.around ?? ((call) => call)
  const find = options.find ?? (() => Effect.succeed(undefined))
  const always = () => Effect.succeed(true)
  const isStill = options.isStill ?? always
  const canRepeat = sinks.every(({ repeat }) => repeat !== undefined)
  const underWay = new Map<string, Deferred.Deferred<Receipt | undefined>>()

  const process = Effect.fnUntraced(function* <R2>(
    item: Item<R2>
  ): Effect.fn.Return<Receipt, WorkError | E, Transport | R | R2> {
    const { content, image } = yield* opened(item, options.segment)
    if (!canRepeat) return yield* fresh(item, image, content)
    const own = fresh(item, image, content)
    const from = (known: Receipt | undefined, holds: typeof isStill) =>
      known === undefined || known.key === item.key
        ? own
        : Effect.matchEffect(repeat(item, known), {
            onSuccess: (receipt) =>
              Effect.flatMap(holds(known), (isSo) => (isSo ? Effect.succeed(receipt) : own)),
            // What was written for the other one may be gone.
            onFailure: (error) => (error.endsRun === true ? Effect.fail(error) : own)
          })
    const first = underWay.get(content)
    if (first !== undefined) return yield* from(yield* Deferred.await(first), always)
    // Noted before anything is waited for: of equal images that come together only one goes on.
    const settled = Deferred.makeUnsafe<Receipt | undefined>()
    underWay.set(content, settled)
    return yield* Effect.onExit(
      Effect.flatMap(find(content), (known) => from(known, isStill)),
      (exit) => {
        underWay.delete(content)
        return Deferred.succeed(settled, exit._tag === "Success" ? exit.value : undefined)
      }
    )
  })

  const fresh = Effect.fnUntraced(function* (
    item: Item<unknown>,
    image: Image,
    content: string
  ): Effect.fn.Return<Receipt, WorkError | E, Transport | R> {
    const segmentation = yield* around(segment(image, options.segment))
    const finding: Finding = { item, image, content, segmentation }
    const records: Record<string, string> = {}
    for (const sink of sinks) {
      const record = yield* sink.write(finding)
      if (record !== undefined) records[sink.name] = record
    }
    const confidence = meanConfidence(segmentation)
    return {
      key: item.key,
      content,
      width: segmentation.width,
      height: segmentation.height,
      attempts: segmentation.cost.attempts,
      millis: Math.round(Duration.toMillis(segmentation.cost.duration) * 10) / 10,
      ...(confidence === undefined ? {} : { confidence }),
      records
    }
  })

  const repeat = Effect.fnUntraced(function* (
    item: Item<unknown>,
    known: Receipt
  ): Effect.fn.Return<Receipt, SinkFailed, R> {
    const { height, width } = known
    const records: Record<string, string> = {}
    for (const sink of sinks) {
      if (sink.repeat === undefined) continue
      const original = { key: known.key, width, height, record: known.records[sink.name] ?? "" }
      const record = yield* sink.repeat(item, original)
      if (record !== undefined) records[sink.name] = record
    }
    return { ...known, key: item.key, attempts: 0, millis: 0, sameAs: known.sameAs ?? known.key, records }
  })

  return { process }
}

/** An image in memory, and the hash of its content. */
export const opened = Effect.fnUntraced(function* <R>(item: Item<R>, options: SegmentOptions = {}) {
  const image = yield* inMemory(yield* item.image.open(options.limits))
  return { image, content: yield* contentOf(yield* image.bytes) }
})

/** The bytes are read once, so that what is hashed is what is sent. */
const inMemory = (image: Image): Effect.Effect<Image, SegmentationError> =>
  image.inMemory
    ? Effect.succeed(image)
    : Effect.map(image.bytes, (bytes) => ({
        ...image,
        bytes: Effect.succeed(bytes),
        stream: Stream.succeed(bytes),
        inMemory: true
      }))

/** Up to this many bytes are hashed at once, in a few milliseconds; larger files off the event loop. */
const most = 2 * 1024 * 1024

/** The hash of a file's content, as in `Receipt`. */
export const contentOf = (bytes: Uint8Array): Effect.Effect<string> =>
  bytes.length <= most
    ? Effect.sync(() => hash("sha256", bytes, "hex").slice(0, 32))
    : Effect.map(Hashing.sha256(bytes), (digest) => digest.slice(0, 32))

/** At most so many pixels are looked at for a mean. */
const sample = 100_000

const meanConfidence = ({ confidence, scores }: Segmentation): number | undefined => {
  let sum = 0
  let count = 0
  if (confidence !== undefined) {
    const { data } = confidence
    const step = Math.max(1, Math.floor(data.length / sample))
    for (let i = 0; i < data.length; i += step, count++) sum += data[i]!
  } else {
    for (const score of scores.values()) sum += score
    count = scores.size
  }
  return count === 0 ? undefined : Math.round((sum / count) * 1e4) / 1e4
}
