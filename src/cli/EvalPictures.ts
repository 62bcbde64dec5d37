/** Pictures of one image for the report of `segformer eval`: what is true, what was found, and where they differ. */
import { basename, dirname, join } from "node:path"
import { Effect, FileSystem } from "effect"
import { ImageCodec, type Raster } from "../image/ImageCodec.ts"
import * as ImageFormat from "../image/ImageFormat.ts"
import * as ImageSource from "../image/ImageSource.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import type { Pair } from "../mask/Metrics.ts"
import type { Palette } from "../mask/Palette.ts"
import * as PngWriting from "../mask/PngWriting.ts"
import * as Background from "../render/Background.ts"
import * as Colors from "../render/Colors.ts"
import * as Difference from "../render/Difference.ts"
import type { Picture } from "../render/EvalReport.ts"
import * as Overlay from "../render/Overlay.ts"
import * as Paint from "../render/Paint.ts"
import * as Screen from "./Screen.ts"

export interface PictureOptions {
  /** Ids of the truth that are not counted. */
  readonly ignored: ReadonlyArray<number>
  readonly reduceLabels: boolean
  /** A folder of photos of the same names. */
  readonly images: string | undefined
  /** Or of the names that predictions have, with `*` for what they share with the truth. */
  readonly names: string | undefined
}

/** Longest side in pixels. */
const maxSide = 640
/** As cameras write them, too. */
const endings = ImageFormat.endings().flatMap((ending) => [`.${ending}`, `.${ending.toUpperCase()}`])

export const make = Effect.fnUntraced(function* (
  { prediction, truth }: Pair,
  { key, prediction: { key: own } }: { readonly key: string; readonly prediction: { readonly key: string } },
  palette: Palette,
  options: PictureOptions
): Effect.fn.Return<ReadonlyArray<Picture>, never, FileSystem.FileSystem | ImageCodec> {
  const { height, width } = Paint.within(truth, maxSide)
  const found = LabelMap.resize(prediction, width, height)
  const wanted = asCounted(LabelMap.resize(truth, width, height), options)
  const photo =
    options.images === undefined
      ? undefined
      : yield* photoOf(options.images, new Set([...keysOf(key, options.names), own]), width, height)

  // Without a photo, background is paper: black would drown what little there may be on it.
  const hidden = Background.idsOf(palette)
  const onPaper = palette.map((info) =>
    hidden.has(info.id) ? { ...info, color: [236, 237, 239] as const } : info
  )
  const paint = (map: LabelMap.LabelMap) =>
    photo === undefined ? Colors.draw(map, onPaper) : Overlay.draw(photo, map, { palette })
  const differing =
    photo === undefined
      ? yield* Colors.draw(Difference.compare(found, wanted, { palette }).kinds, Difference.palette)
      : yield* Difference.draw(photo, found, wanted, { palette })
  const rasters = [
    ...(photo === undefined ? [] : [{ title: "photo", raster: photo }]),
    { title: "truth", raster: yield* paint(wanted) },
    { title: "prediction", raster: yield* paint(found) },
    { title: "difference", raster: differing }
  ]
  return yield* Effect.forEach(rasters, ({ raster, title }) =>
    Effect.map(encoded(raster, photo !== undefined), (url) => ({ title, url, width, height }))
  )
})

/** The truth with ids as they were counted: shifted where labels are reduced, and one id for all that is ignored. */
const asCounted = (
  truth: LabelMap.LabelMap,
  { ignored, reduceLabels }: PictureOptions
): LabelMap.LabelMap => {
  const { ignoreIndex: _, ...map } = truth
  const ids = [...LabelMap.histogram(map).keys()]
  const kept = new Map(
    ids
      .filter((id) => !ignored.includes(id) && !(reduceLabels && id === 0))
      .map((id) => [id, reduceLabels ? id - 1 : id])
  )
  const ignoreIndex = LabelMap.freeId(kept.values())
  const counted = new Map(ids.map((id) => [id, kept.get(id) ?? ignoreIndex]))
  return { ...LabelMap.remap(map, counted), ignoreIndex }
}

/** What the photo of a pair may be called. */
const keysOf = (key: string, pattern: string | undefined): ReadonlyArray<string> =>
  pattern === undefined ? [key] : [join(dirname(key), pattern.replace("*", basename(key))), key]

/** The photo of a name at a size; undefined where there is none, and where it cannot be read, which is said. */
export const photoOf = Effect.fnUntraced(function* (
  folder: string,
  keys: ReadonlySet<string>,
  width: number,
  height: number
): Effect.fn.Return<Raster | undefined, never, FileSystem.FileSystem | ImageCodec> {
  const fs = yield* FileSystem.FileSystem
  const codec = yield* ImageCodec
  for (const path of [...keys].flatMap((key) => endings.map((ending) => join(folder, key + ending)))) {
    if (!(yield* Effect.orElseSucceed(fs.exists(path), () => false))) continue
    const raster = yield* ImageSource.file(path)
      .open()
      .pipe(
        Effect.flatMap((image) => codec.decode(image)),
        Effect.catch(({ message }) =>
          Effect.as(Screen.complain(`${message}: its pictures are drawn without the photo`), undefined)
        )
      )
    return raster && Paint.resize(raster, width, height)
  }
  return undefined
})

/** A `data:` URL: PNG of flat colours, JPEG of photos. */
const encoded = (raster: Raster, isPhoto: boolean): Effect.Effect<string, never, ImageCodec> => {
  const png = Effect.sync(
    () =>
      `data:image/png;base64,${Buffer.from(PngWriting.encode({ ...raster, depth: 8 })).toString("base64")}`
  )
  if (!isPhoto) return png
  return Effect.flatMap(ImageCodec, (codec) =>
    codec.encode(raster, "jpeg", { quality: 82 }).pipe(
      Effect.map((bytes) => `data:image/jpeg;base64,${Buffer.from(bytes).toString("base64")}`),
      Effect.catch(() => png)
    )
  )
}
