/** Sinks that write a file for each image: label maps, what a service drew, overlays. */
import { join } from "node:path"
import { Effect, FileSystem, Stream } from "effect"
import * as LabelPngWriter from "../files/LabelPngWriter.ts"
import { ImageCodec } from "../image/ImageCodec.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelPng from "../mask/LabelPng.ts"
import * as PngPaused from "../mask/PngPaused.ts"
import * as Colors from "../render/Colors.ts"
import * as Overlay from "../render/Overlay.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { SinkFailed } from "./BatchError.ts"
import { hasAny, told } from "./Lacking.ts"
import * as OutFolder from "./OutFolder.ts"
import * as ResultFile from "./ResultFile.ts"
import type { Finding, Recorded, Sink } from "./Sink.ts"
import { make as makeSink } from "./Sink.ts"

export interface FolderOptions {
  /** It is made where it is missing. */
  readonly folder: string
}

/** A sink that writes a file for each image, called as the image's key and this ending. Kept of it is its stamp (`ResultFile`). */
const files = <R>(
  name: string,
  options: FolderOptions & { readonly options?: unknown },
  ending: string,
  isWhole: (path: string, size: ResultFile.Size, stamp: string) => ResultFile.IsWhole,
  draw: (finding: Finding) => Effect.Effect<Uint8Array, SegmentationError, R>
): Sink<R | FileSystem.FileSystem> => {
  const out = OutFolder.make(name, options.folder)
  const pathOf = (key: string) => OutFolder.pathOf(key) + ending
  const stamp = (key: string) => ResultFile.stamp(join(options.folder, pathOf(key)))
  const isThere = (done: Recorded) => isWhole(join(options.folder, pathOf(done.key)), done, done.record)
  return makeSink<R | FileSystem.FileSystem>({
    name,
    options: options.options,
    prepare: out.prepare,
    write: (finding) => {
      const { key } = finding.item
      return Effect.andThen(
        Effect.flatMap(draw(finding), (bytes) => out.write(pathOf(key), bytes)),
        stamp(key)
      )
    },
    repeat: (item, original) =>
      Effect.andThen(
        ifWhole(isThere(original), name, original.key, out.copy(pathOf(original.key), pathOf(item.key))),
        stamp(item.key)
      ),
    isThere,
    flush: out.flush
  })
}

/** Repeats a result, unless it is not whole. */
const ifWhole = <A, R>(
  isWhole: ResultFile.IsWhole,
  sink: string,
  place: string,
  repeat: Effect.Effect<A, SinkFailed, R>
): Effect.Effect<A, SinkFailed, R | FileSystem.FileSystem> =>
  Effect.flatMap(isWhole, (whole) =>
    whole
      ? repeat
      : Effect.fail(new SinkFailed({ sink, place, detail: "the result that it would repeat is not whole" }))
  )

const labelsEnding = ".labels.png"

/**
 * `KEY.labels.png` for each image: pixels are class ids. The ending of the image stays (`a.jpg.labels.png`), so that two
 * images which differ in nothing else have a file each.
 */
export const labels = (options: FolderOptions): Sink<FileSystem.FileSystem> => ({
  ...files("labels", options, labelsEnding, ResultFile.isPng, ({ segmentation }) =>
    Effect.flatMap(segmentation.labelMap, (map) =>
      LabelPngWriter.encode(map, {
        palette: Colors.paletteOf(segmentation.classes),
        classes: segmentation.classes
      })
    )
  ),
  labelMap: (key) => {
    const path = join(options.folder, OutFolder.pathOf(key) + labelsEnding)
    return Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFile(path)).pipe(
      Effect.flatMap((bytes) =>
        Effect.flatMap(PngPaused.read(bytes, "label PNG"), (picture) =>
          Effect.map(Effect.fromResult(LabelPng.ofPicture(picture)), (map) => ({
            ...map,
            palette: picture.palette?.map((color, id) => ({ id, name: ClassTable.nameOf([], id), color }))
          }))
        )
      ),
      Effect.mapError(({ message }) => new SinkFailed({ sink: "labels", place: path, detail: message }))
    )
  }
})

/** What a service that only paints gives of an image: its pictures, and the regions that it reports. */
const rendered = ({ segmentation }: Finding): Effect.Effect<ReadonlyArray<Rendered>, SegmentationError> =>
  Effect.gen(function* () {
    const { height, pictures, reported, width } = segmentation
    const drawn = (["overlay", "combined", "mask"] as const).flatMap((kind) => {
      const bytes = pictures[kind]
      return bytes === undefined ? [] : [{ ending: `.${kind}.png`, bytes }]
    })
    // Nothing at all is the failure that it was.
    if (drawn.length === 0 && reported === undefined)
      return yield* Effect.andThen(segmentation.labelMap, Effect.succeed([]))
    const text = JSON.stringify({ width, height, regions: reported ?? [] })
    return reported === undefined
      ? drawn
      : [...drawn, { ending: ".regions.json", bytes: new TextEncoder().encode(`${text}\n`) }]
  })

interface Rendered {
  readonly ending: string
  readonly bytes: Uint8Array
}

/** Whether what is kept of an image is of what a service drew: endings. */
const isOfDrawn = (record: string): boolean => record.startsWith(".")

/** What a service drew of an image, in a file each. Kept of them are their endings, each with its bytes: `.overlay.png:5120 .mask.png:340`. */
const drawings = (name: string, folder: string) => {
  const out = OutFolder.make(name, folder)
  const pathOf = (key: string, ending: string) => OutFolder.pathOf(key) + ending
  // Earlier versions kept the endings alone.
  const partsOf = (record: string) =>
    record.split(" ").map((part) => {
      const [ending = "", bytes] = part.split(":")
      return { ending, bytes: bytes === undefined ? undefined : Number(bytes) }
    })
  const isThere = ({ key, record }: Recorded) =>
    Effect.map(
      Effect.forEach(partsOf(record), ({ bytes, ending }) =>
        ResultFile.isOfBytes(join(folder, pathOf(key, ending)), bytes)
      ),
      (all) => all.every(Boolean)
    )
  return {
    prepare: out.prepare,
    flush: out.flush,
    isThere,
    write: (key: string, files: ReadonlyArray<Rendered>) =>
      Effect.as(
        Effect.forEach(files, ({ bytes, ending }) => out.write(pathOf(key, ending), bytes)),
        files.map(({ bytes, ending }) => `${ending}:${bytes.length}`).join(" ")
      ),
    repeat: (item: Finding["item"], original: Recorded) =>
      ifWhole(
        isThere(original),
        name,
        original.key,
        Effect.as(
          Effect.forEach(partsOf(original.record), ({ ending }) =>
            out.copy(pathOf(original.key, ending), pathOf(item.key, ending))
          ),
          original.record
        )
      )
  }
}

/**
 * As {@link labels}, and of a service that only paints what it gives instead: `KEY.overlay.png`, `KEY.mask.png` and
 * `KEY.regions.json`, as far as it has them.
 */
export const results = (options: FolderOptions): Sink<FileSystem.FileSystem> => {
  const maps = labels(options)
  const drawn = drawings(maps.name, options.folder)
  const by = (record: string) => (isOfDrawn(record) ? drawn : maps)
  return {
    ...maps,
    prepare: Effect.andThen(maps.prepare, drawn.prepare),
    write: (finding) =>
      Effect.flatMap(Effect.option(finding.segmentation.labelMap), (map) =>
        map._tag === "Some"
          ? maps.write(finding)
          : Effect.flatMap(rendered(finding), (files) => drawn.write(finding.item.key, files))
      ),
    repeat: (item, original) => by(original.record).repeat?.(item, original) ?? Effect.succeed(undefined),
    isThere: (done) => by(done.record).isThere?.(done) ?? Effect.succeed(true),
    flush: Effect.andThen(maps.flush, drawn.flush)
  }
}

export interface OverlayOptions extends FolderOptions {
  /** Of the classes painted over the image, 0 to 1. 0.5 by default. */
  readonly opacity?: number | undefined
}

/** Of an image that has no overlay, nor can have one. */
const noOverlay = "none"
/** As {@link results} calls it: what a service drew is a PNG. */
const drawnEnding = ".overlay.png"

/**
 * `KEY.overlay.jpg` for each image: the classes painted over it. Of a service that gives no label map, its own overlay, as
 * `KEY.overlay.png`; one that reports regions alone has none, which is said at the end.
 */
export const overlays = (options: OverlayOptions): Sink<FileSystem.FileSystem | ImageCodec> => {
  const name = "overlays"
  const opacity = options.opacity ?? 0.5
  const painted = files(
    name,
    { folder: options.folder, options: { opacity } },
    ".overlay.jpg",
    ResultFile.isJpeg,
    Effect.fnUntraced(function* ({ image, segmentation }) {
      const codec = yield* ImageCodec
      const map = yield* segmentation.labelMap
      const raster = yield* codec.decode(image)
      const palette = Colors.paletteOf(segmentation.classes)
      return yield* codec.encode(yield* Overlay.draw(raster, map, { palette, opacity }), "jpeg", {
        quality: 85
      })
    })
  )
  const drawn = drawings(name, options.folder)
  const by = (record: string) => (isOfDrawn(record) ? drawn : painted)
  return {
    ...painted,
    prepare: Effect.andThen(painted.prepare, drawn.prepare),
    write: (finding) =>
      Effect.catchTag(
        painted.write(finding),
        "NoLabelMap",
        (error): Effect.Effect<string, SinkFailed | SegmentationError, FileSystem.FileSystem> => {
          const { pictures, reported } = finding.segmentation
          if (pictures.overlay !== undefined)
            return drawn.write(finding.item.key, [{ ending: drawnEnding, bytes: pictures.overlay }])
          return hasAny(pictures) || reported !== undefined ? Effect.succeed(noOverlay) : Effect.fail(error)
        }
      ),
    repeat: (item, original) =>
      original.record === noOverlay
        ? Effect.succeed(noOverlay)
        : (by(original.record).repeat?.(item, original) ?? Effect.succeed(undefined)),
    isThere: (done) =>
      done.record === noOverlay
        ? Effect.succeed(true)
        : (by(done.record).isThere?.(done) ?? Effect.succeed(true)),
    flush: Effect.andThen(painted.flush, drawn.flush),
    finish: (records) =>
      Effect.flatMap(
        Stream.runFold(
          records,
          () => 0,
          (count, { record }) => (record === noOverlay ? count + 1 : count)
        ),
        (count) =>
          Effect.as(told(count, "an overlay: the service gave neither a label map nor one of its own"), [])
      )
  }
}
