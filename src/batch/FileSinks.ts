/** Sinks that write a file for each image: label maps, what a service drew, overlays. */
import { join } from "node:path"
import { Effect, FileSystem, Result, Stream } from "effect"
import * as LabelPngWriter from "../files/LabelPngWriter.ts"
import { ImageCodec } from "../image/ImageCodec.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelPng from "../mask/LabelPng.ts"
import * as PngFile from "../mask/PngFile.ts"
import * as Colors from "../render/Colors.ts"
import * as Overlay from "../render/Overlay.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { SinkFailed } from "./BatchError.ts"
import { hasAny, told } from "./Lacking.ts"
import * as OutFolder from "./OutFolder.ts"
import type { Finding, Sink } from "./Sink.ts"
import { make as makeSink } from "./Sink.ts"

export interface FolderOptions {
  /** It is made where it is missing. */
  readonly folder: string
}

/** A sink that writes a file for each image, called as the image's key and this ending. */
const files = <R>(
  name: string,
  options: FolderOptions & { readonly options?: unknown },
  ending: string,
  draw: (finding: Finding) => Effect.Effect<Uint8Array, SegmentationError, R>
): Sink<R | FileSystem.FileSystem> => {
  const out = OutFolder.make(name, options.folder)
  const pathOf = (key: string) => OutFolder.pathOf(key) + ending
  return makeSink<R | FileSystem.FileSystem>({
    name,
    options: options.options,
    prepare: out.prepare,
    write: (finding) => Effect.flatMap(draw(finding), (bytes) => out.write(pathOf(finding.item.key), bytes)),
    repeat: (item, original) => Effect.as(out.copy(pathOf(original.key), pathOf(item.key)), undefined),
    isThere: (key) => out.has(pathOf(key)),
    flush: out.flush
  })
}

const labelsEnding = ".labels.png"

/**
 * `KEY.labels.png` for each image: pixels are class ids. The ending of the image stays (`a.jpg.labels.png`), so that two
 * images which differ in nothing else have a file each.
 */
export const labels = (options: FolderOptions): Sink<FileSystem.FileSystem> => ({
  ...files("labels", options, labelsEnding, ({ segmentation }) =>
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
        Effect.fromResult(
          Result.map(
            Result.all([LabelPng.decode(bytes), PngFile.read(bytes, path)]),
            ([map, { palette }]) => ({
              ...map,
              palette: palette?.map((color, id) => ({
                id,
                name: ClassTable.nameOf([], id),
                color
              }))
            })
          )
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

/**
 * As {@link labels}, and of a service that only paints what it gives instead: `KEY.overlay.png`, `KEY.mask.png` and
 * `KEY.regions.json`, as far as it has them.
 */
export const results = (options: FolderOptions): Sink<FileSystem.FileSystem> => {
  const maps = labels(options)
  const out = OutFolder.make(maps.name, options.folder)
  const pathOf = (key: string, ending: string) => OutFolder.pathOf(key) + ending
  return {
    ...maps,
    prepare: Effect.andThen(maps.prepare, out.prepare),
    write: (finding) =>
      Effect.flatMap(Effect.option(finding.segmentation.labelMap), (map) =>
        map._tag === "Some"
          ? maps.write(finding)
          : Effect.flatMap(rendered(finding), (files) =>
              Effect.as(
                Effect.forEach(files, ({ bytes, ending }) =>
                  out.write(pathOf(finding.item.key, ending), bytes)
                ),
                files.map(({ ending }) => ending).join(" ")
              )
            )
      ),
    repeat: (item, original) =>
      original.record === ""
        ? (maps.repeat?.(item, original) ?? Effect.succeed(undefined))
        : Effect.as(
            Effect.forEach(original.record.split(" "), (ending) =>
              out.copy(pathOf(original.key, ending), pathOf(item.key, ending))
            ),
            original.record
          ),
    isThere: (key, record) =>
      Effect.map(
        Effect.forEach((record === "" ? labelsEnding : record).split(" "), (ending) =>
          out.has(pathOf(key, ending))
        ),
        (all) => all.every(Boolean)
      ),
    flush: Effect.andThen(maps.flush, out.flush)
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
  const out = OutFolder.make(name, options.folder)
  const pathOf = (key: string) => OutFolder.pathOf(key) + drawnEnding
  return {
    ...painted,
    prepare: Effect.andThen(painted.prepare, out.prepare),
    write: (finding) =>
      Effect.catchTag(
        painted.write(finding),
        "NoLabelMap",
        (error): Effect.Effect<string, SinkFailed | SegmentationError, FileSystem.FileSystem> => {
          const { pictures, reported } = finding.segmentation
          if (pictures.overlay !== undefined)
            return Effect.as(out.write(pathOf(finding.item.key), pictures.overlay), drawnEnding)
          return hasAny(pictures) || reported !== undefined ? Effect.succeed(noOverlay) : Effect.fail(error)
        }
      ),
    repeat: (item, original) =>
      original.record === ""
        ? (painted.repeat?.(item, original) ?? Effect.succeed(undefined))
        : Effect.as(
            original.record === noOverlay ? Effect.void : out.copy(pathOf(original.key), pathOf(item.key)),
            original.record
          ),
    isThere: (key, record) =>
      record === noOverlay
        ? Effect.succeed(true)
        : record === drawnEnding
          ? out.has(pathOf(key))
          : (painted.isThere?.(key, record) ?? Effect.succeed(true)),
    flush: Effect.andThen(painted.flush, out.flush),
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
