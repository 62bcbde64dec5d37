/**
 * Pictures as SVG, sharp at any size and small: one path for each class with its holes, the image behind it where it has
 * an address, names at regions, a legend. Names are escaped, whatever is in them.
 *
 * ```ts
 * import { LabelMap, Palette } from "effect-segformer/mask"
 * import { Svg } from "effect-segformer/render"
 *
 * const map = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 5, 5) })
 * Svg.pathOf([{ outer: [[1, 0], [3, 0], [3, 1], [1, 1]], holes: [] }]) // => "M1 0L3 0 3 1 1 1Z"
 * Svg.overlay(map, { palette: Palette.surface }).includes("<title>pit</title>") // => true
 * ```
 */
import { type ClassTable, nameOf } from "../mask/ClassTable.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Palette from "../mask/Palette.ts"
import * as Polygons from "../mask/Polygons.ts"
import * as Background from "./Background.ts"
import * as Labels from "./Labels.ts"
import * as Legend from "./Legend.ts"
import * as Paint from "./Paint.ts"
import * as Typeface from "./Typeface.ts"

/** Text as it may stand in SVG and HTML, attributes included; characters that XML does not allow are left out. */
export const escape = (text: string): string =>
  text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;")

const decimal = (value: number): string => String(Math.round(value * 100) / 100)

/** The `d` of a path, to be filled by the even-odd rule. */
export const pathOf = (polygons: Iterable<Polygons.Polygon>): string => {
  let d = ""
  for (const { holes, outer } of polygons) {
    for (const ring of [outer, ...holes]) {
      for (const [i, [x, y]] of ring.entries())
        d += `${i === 0 ? "M" : i === 1 ? "L" : " "}${decimal(x)} ${decimal(y)}`
      d += "Z"
    }
  }
  return d
}

export interface SvgOptions {
  /** Classes without a colour get one of their own. */
  readonly palette: ClassTable
  /** Address of the image behind, such as `photo.jpg` or a `data:` URL. None by default. */
  readonly image?: string | undefined
  /** Of the fills, 0 to 1. 0.5 by default. */
  readonly opacity?: number | undefined
  /** Width of outlines in pixels; 0 for none. By default it grows with the image: 2.2 at 640 pixels. */
  readonly outline?: number | undefined
  /** How far outlines may leave the edges of pixels, in pixels; neighbours keep one line. 0.8 by default. */
  readonly tolerance?: number | undefined
  /** Names at regions: true, or what `Labels` takes. Off by default. */
  readonly labels?: boolean | Omit<Labels.LabelsOptions, "palette"> | undefined
  /** A legend beneath. Off by default. */
  readonly legend?: boolean | undefined
  /** Ids that are not painted. Those whose name says background, by default. The ignored id never is. */
  readonly hidden?: Iterable<number> | undefined
  /** What the picture is, for those who do not see it. "Segmentation" by default. */
  readonly title?: string | undefined
}

/** A label map as an SVG document. */
export const overlay = (map: LabelMap, options: SvgOptions): string => {
  const { height, width } = map
  const { palette } = options
  const hidden = new Set(options.hidden ?? Background.idsOf(palette))
  const byClass = new Map<number, Array<Polygons.Polygon>>()
  const outlines = Polygons.fromLabelMap(map, {
    exclude: hidden,
    tolerance: options.tolerance ?? 0.8,
    sharedEdges: true
  })
  for (const { classId, polygons } of outlines) {
    const known = byClass.get(classId) ?? []
    byClass.set(classId, known)
    for (const polygon of polygons) known.push(polygon)
  }
  const outline = options.outline ?? Math.max(1.5, Math.min(8, Math.min(width, height) / 290))
  const paths = [...byClass]
    .sort((a, b) => a[0] - b[0])
    .map(([id, polygons]) => {
      const color = Palette.toHex(Palette.colorOf(palette, id))
      const line = outline > 0 ? ` stroke="${color}" stroke-width="${decimal(outline)}"` : ""
      return (
        `<path fill="${color}" fill-opacity="${options.opacity ?? 0.5}"${line} stroke-linejoin="round" ` +
        `fill-rule="evenodd" d="${pathOf(polygons)}"><title>${escape(nameOf(palette, id))}</title></path>`
      )
    })
  const labels =
    options.labels === undefined || options.labels === false
      ? []
      : Labels.place(map, {
          hidden,
          typeface: estimate,
          ...(options.labels === true ? {} : options.labels),
          palette
        }).map(tag)
  const legend =
    options.legend === true
      ? legendAt(Legend.entriesOf(map, palette), width, height, Paint.sizeFor(map))
      : { body: [], height: 0 }
  return document(width, height + legend.height, options.title ?? "Segmentation", [
    ...(options.image === undefined
      ? []
      : [
          `<image href="${escape(options.image)}" width="${width}" height="${height}" preserveAspectRatio="none"/>`
        ]),
    ...paths,
    ...labels,
    ...legend.body
  ])
}

/** A legend as an SVG document, so wide. */
export const legend = (
  entries: ReadonlyArray<Legend.LegendEntry>,
  options: { readonly width?: number | undefined; readonly size?: number | undefined } = {}
): string => {
  const width = options.width ?? 480
  const { body, height } = legendAt(entries, width, 0, options.size ?? 11)
  return document(width, height, "Legend", body)
}

const document = (width: number, height: number, title: string, body: ReadonlyArray<string>): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      `role="img" font-family="system-ui, sans-serif">`,
    `<title>${escape(title)}</title>`,
    ...body,
    "</svg>",
    ""
  ].join("\n")

/**
 * How wide letters are that the reader's typeface draws, as a share of its size: those of CJK a square, marks nothing, others
 * what is wide for most. Words are drawn to just this width (`textLength`), so that none runs into another.
 */
const estimate: Typeface.Typeface = {
  measure: (text, capital) => {
    let width = 0
    for (const character of text) {
      if (/\p{M}/u.test(character)) continue
      if (
        /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u.test(
          character
        )
      )
        width += 1
      else if (/[ .,:;'|!ijlftrI()[\]/-]/.test(character)) width += 0.34
      else width += /[\p{Lu}mwMW@%]/u.test(character) ? 0.72 : 0.56
    }
    return (width * capital) / 0.72
  },
  // Nothing is drawn here.
  write: () => {}
}

/** Letters whose capitals are so high: of most typefaces seven tenths of the size. */
const fontSize = (capital: number): string => decimal(capital / 0.72)

const tag = ({ box, color, size, text }: Labels.Tag): string => {
  const room = box.width - size * 1.1
  return (
    `<g><rect x="${decimal(box.x)}" y="${decimal(box.y)}" width="${decimal(box.width)}" ` +
    `height="${decimal(box.height)}" rx="${decimal(size * 0.4)}" fill="${Palette.toHex(color)}" ` +
    `stroke="#000" stroke-opacity="0.5"/>` +
    `<text x="${decimal(box.x + box.width / 2)}" y="${decimal(box.y + box.height / 2 + size / 2)}" ` +
    `text-anchor="middle" font-size="${fontSize(size)}"${lengthOf(room)} fill="${Palette.toHex(Paint.textOn(color))}">` +
    `${escape(Typeface.cut(text, size, room + 0.01, estimate.measure))}</text></g>`
  )
}

/** A text drawn just so wide. */
const lengthOf = (width: number): string =>
  width > 0 ? ` textLength="${decimal(width)}" lengthAdjust="spacingAndGlyphs"` : ""

const legendAt = (
  entries: ReadonlyArray<Legend.LegendEntry>,
  width: number,
  top: number,
  size: number
): { readonly body: ReadonlyArray<string>; readonly height: number } => {
  const margin = size * 1.1
  const swatch = size * 1.5
  let x = margin
  let row = 0
  const body = entries.map((own) => {
    const { color } = own
    const [name, amount] = Legend.partsOf(own)
    const after = amount === "" ? "" : ` ${amount}`
    // A name that no line has room for is cut, and never its amount.
    const room = width - 2 * margin - swatch - size * 0.7 - estimate.measure(after, size)
    const label = Typeface.cut(name, size, Math.max(size * 2, room), estimate.measure) + after
    const length = estimate.measure(label, size)
    const entry = swatch + size * 0.7 + length
    if (x > margin && x + entry > width - margin) {
      x = margin
      row++
    }
    const y = top + margin + row * size * 2.3
    const left = x
    x += entry + size * 1.6
    return (
      `<rect x="${decimal(left)}" y="${decimal(y)}" width="${decimal(swatch)}" height="${decimal(swatch)}" ` +
      `rx="${decimal(swatch / 4)}" fill="${Palette.toHex(color)}"/>` +
      `<text x="${decimal(left + swatch + size * 0.7)}" y="${decimal(y + swatch / 2 + size / 2)}" ` +
      `font-size="${fontSize(size)}"${lengthOf(length)} fill="${Palette.toHex(Paint.dark)}">${escape(label)}</text>`
    )
  })
  const height = Math.ceil(2 * margin + swatch + row * size * 2.3)
  const ground = `<rect y="${top}" width="${width}" height="${height}" fill="#fff"/>`
  return { body: [ground, ...body], height }
}
