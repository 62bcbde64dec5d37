/**
 * A sheet of pictures: an A4 page, upright or across, with a grid of cells, each picture as large as its cell allows
 * and in its middle. One picture is in memory at a time, besides the page.
 */
import { Effect } from "effect"
import { type CodecError, ImageCodec, type Raster } from "../../image/ImageCodec.ts"
import type { Image, SourceError } from "../../image/ImageSource.ts"
import type { Box } from "../../mask/Region.ts"
import type { PlacedPicture, WritePdf } from "../SheetPdf.ts"
import type { Size } from "./Crop.ts"
import * as Scale from "./Scale.ts"

export interface Layout {
  readonly rows: number
  readonly columns: number
  readonly orientation: "portrait" | "landscape"
}

/** Pixels per inch of the picture, and of the pictures in a PDF. */
export const resolution = 300

/** A4, in inches. */
const paper = { short: 210 / 25.4, long: 297 / 25.4 }

/** Around the page and between cells, in inches. */
const gap = 5 / 25.4

/** The page, with so many units to the inch. */
export const pageSize = (orientation: Layout["orientation"], perInch: number): Size => {
  const short = Math.round(paper.short * perInch)
  const long = Math.round(paper.long * perInch)
  return orientation === "portrait" ? { width: short, height: long } : { width: long, height: short }
}

/** The cells of the page in pixels, row by row. */
const cells = (layout: Layout): ReadonlyArray<Box> => {
  const page = pageSize(layout.orientation, resolution)
  // Many cells leave no room for wide gaps.
  const between = Math.round((gap * resolution) / Math.max(1, Math.max(layout.rows, layout.columns) / 5))
  const width = Math.floor((page.width - between * (layout.columns + 1)) / layout.columns)
  const height = Math.floor((page.height - between * (layout.rows + 1)) / layout.rows)
  return Array.from({ length: layout.rows * layout.columns }, (_, index) => ({
    x: between + (index % layout.columns) * (width + between),
    y: between + Math.floor(index / layout.columns) * (height + between),
    width,
    height
  }))
}

/** Where a picture of this size goes in a cell. */
const fit = (picture: Size, cell: Box): Box => {
  const scale = Math.min(cell.width / picture.width, cell.height / picture.height)
  const width = Math.max(1, Math.min(cell.width, Math.round(picture.width * scale)))
  const height = Math.max(1, Math.min(cell.height, Math.round(picture.height * scale)))
  return {
    x: cell.x + Math.floor((cell.width - width) / 2),
    y: cell.y + Math.floor((cell.height - height) / 2),
    width,
    height
  }
}

type OpenPicture<E> = (path: string) => Effect.Effect<Image, E>

/** Each picture at the size and place that it has on the page, one after the other. */
const placed = Effect.fnUntraced(function* <E, E2, R>(
  paths: ReadonlyArray<string>,
  layout: Layout,
  open: OpenPicture<E>,
  use: (picture: Raster, place: Box) => Effect.Effect<void, E2, R>
): Effect.fn.Return<void, E | E2 | CodecError, ImageCodec | R> {
  const codec = yield* ImageCodec
  const places = cells(layout)
  for (const [index, path] of paths.entries()) {
    const raster = yield* codec.decode(yield* open(path))
    const place = fit(raster, places[index]!)
    yield* use(yield* Scale.resize(raster, place.width, place.height), place)
  }
})

/** The bytes of a PNG file. */
export const png = Effect.fnUntraced(function* <E = SourceError>(
  paths: ReadonlyArray<string>,
  layout: Layout,
  open: OpenPicture<E>
): Effect.fn.Return<Uint8Array, E | CodecError, ImageCodec> {
  const codec = yield* ImageCodec
  const { height, width } = pageSize(layout.orientation, resolution)
  const data = new Uint8Array(width * height * 3).fill(255)
  yield* placed(paths, layout, open, (picture, place) => Scale.paste(picture, data, width, place))
  return yield* codec.encode({ width, height, channels: 3, data }, "png")
})

/** The bytes of a PDF file. */
export const pdf = Effect.fnUntraced(function* <E = SourceError>(
  paths: ReadonlyArray<string>,
  layout: Layout,
  open: OpenPicture<E>,
  write: WritePdf
): Effect.fn.Return<Uint8Array, E | CodecError, ImageCodec> {
  const codec = yield* ImageCodec
  const point = 72 / resolution
  const pictures: Array<PlacedPicture> = []
  yield* placed(paths, layout, open, (picture, { height, width, x, y }) =>
    Effect.map(codec.encode(picture, "jpeg", { quality: 92 }), (jpeg) => {
      pictures.push({ jpeg, x: x * point, y: y * point, width: width * point, height: height * point })
    })
  )
  return yield* write({ ...pageSize(layout.orientation, 72), pictures })
})
