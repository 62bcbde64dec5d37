/**
 * Where results go: files, one COCO file, a table, or what one makes oneself. A sink is asked to `write` what was found
 * in an image, and must be safe to ask again: a process may end between the writing and the note that it was done, so
 * the same image has the same place and is replaced there.
 *
 * What is written at the end of a run (one file of all images) is made of records: the text that `write` gives is kept
 * by whoever drives the run, on disk or in a database, and `finish` gets all of them as a stream that can be read as
 * often as needed.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Sink } from "effect-segformer/batch"
 *
 * const areas = new Map<string, number>()
 * const mine = Sink.make({
 *   name: "areas",
 *   write: ({ item, segmentation }) =>
 *     Effect.map(segmentation.regions, (regions) => {
 *       areas.set(item.key, regions.reduce((sum, { area }) => sum + area, 0))
 *     })
 * })
 * mine.name // => "areas"
 * ```
 */
import { Effect, type Stream } from "effect"
import type { Image } from "../image/ImageSource.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import type { Palette } from "../mask/Palette.ts"
import type { Segmentation } from "../Segmentation.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import type { RunFolderFailed, SinkFailed } from "./BatchError.ts"
import type { Item } from "./Item.ts"
import { own, span, type SpanName } from "../TelemetryNames.ts"

/** What was found in one image. */
export interface Finding {
  readonly item: Pick<Item, "key" | "location">
  /** The bytes of the image are in memory. */
  readonly image: Image
  /** As in `Receipt`. */
  readonly content: string
  readonly segmentation: Segmentation
}

/** An image that is done. */
export interface Recorded {
  readonly key: string
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  /** What `write` gave for it; the empty text where that was nothing. */
  readonly record: string
}

/** A label map as it was written, with the colours of its ids where they were written too. */
export interface WrittenLabels extends LabelMap {
  readonly palette?: Palette | undefined
}

/** All images that are done, each once. It can be read again. */
export type Records = Stream.Stream<Recorded, RunFolderFailed>

export interface Sink<out R = never> {
  /** Unique among the sinks of a run. */
  readonly name: string
  /** What its results depend on, which must not change within a run. */
  readonly options: string
  /** Before the first image: makes folders, removes what a process that was killed has left. */
  readonly prepare: Effect.Effect<void, SinkFailed, R>
  /** Writes what was found in an image; gives what must be kept for the end, if anything. */
  readonly write: (finding: Finding) => Effect.Effect<string | undefined, SinkFailed | SegmentationError, R>
  /**
   * Writes for an image what was written for another with the same content, whose record is given. Undefined where
   * it cannot, and such images are segmented like any other.
   */
  readonly repeat:
    | ((item: Finding["item"], original: Recorded) => Effect.Effect<string | undefined, SinkFailed, R>)
    | undefined
  /** Reads back the label map that was written for a key, where the sink writes such: for pictures in the report. */
  readonly labelMap: ((key: string) => Effect.Effect<WrittenLabels, SinkFailed, R>) | undefined
  /**
   * Whether what was written for an image that is done is there still, and whole. Where it is not, the image is done again. Undefined
   * where nobody looks.
   */
  readonly isThere: ((done: Recorded) => Effect.Effect<boolean, SinkFailed, R>) | undefined
  /** Makes what was written so far outlast a power cut. It is called before images are noted as done. */
  readonly flush: Effect.Effect<void, SinkFailed, R>
  /** After the last image: writes what all of them make together, and gives the paths. */
  readonly finish: (records: Records) => Effect.Effect<ReadonlyArray<string>, SinkFailed | RunFolderFailed, R>
}

/** What a sink of one's own consists of; only `name` and `write` are needed. */
export interface SinkOptions<R> {
  readonly name: string
  /** What its results depend on. A run that is gone on with is refused where it has changed. */
  readonly options?: unknown
  readonly prepare?: Effect.Effect<void, SinkFailed, R> | undefined
  readonly write: (
    finding: Finding
  ) => Effect.Effect<string | undefined | void, SinkFailed | SegmentationError, R>
  readonly repeat?: Sink<R>["repeat"]
  readonly labelMap?: Sink<R>["labelMap"]
  readonly isThere?: Sink<R>["isThere"]
  readonly flush?: Effect.Effect<void, SinkFailed, R> | undefined
  readonly finish?: Sink<R>["finish"] | undefined
}

/** A sink of one's own. */
export const make = <R = never>(options: SinkOptions<R>): Sink<R> => ({
  name: options.name,
  options: JSON.stringify(options.options ?? null),
  prepare: options.prepare ?? Effect.void,
  write: (finding) =>
    spanned(
      "Sink.write",
      options.name,
      Effect.map(options.write(finding), (record) => record ?? undefined)
    ),
  repeat: options.repeat,
  labelMap: options.labelMap,
  isThere: options.isThere,
  flush: options.flush ?? Effect.void,
  finish: (records) =>
    options.finish === undefined
      ? Effect.succeed([])
      : spanned("Sink.finish", options.name, options.finish(records))
})

const spanned = <A, E, R>(name: SpanName, sink: string, self: Effect.Effect<A, E, R>) =>
  self.pipe(span(name, { [own.sink]: sink }))
