/**
 * Masks that are as large as the box beside them, and not as the image: stretched over all of it they would be another mask.
 * Detectors that draw in their boxes answer so, and annotation tools.
 */
import * as Base64 from "../service/Base64.ts"
import type { Size } from "../mask/Fit.ts"
import { plain } from "./Fields.ts"
import { isRecord } from "./protocol/Errors.ts"

/** Words in the names of boxes, and names of the corner alone where a mask begins. */
const boxes =
  /^(?!.*colou?r).*\b(?:(?:b|bnd|bounding|crop)?box(?:es)?|bounds|(?:bounding)?rect(?:angle)?|rois?|crop|xyxyn?|xywhn?|ltrb|tlbr)(?:2d)?\b/i
const corners = /^(?:mask)?(?:offset|origin|topleft)$/

/** What names numbers across and down, and those at the far side. */
const along = (axis: string, sides: string): RegExp =>
  new RegExp(
    `^(?:(?:min|max|start|end|c|center|offset|topleft|bottomright)?${axis}(?:\\d|min|max|tl|br|c|center|offset)?|${sides})$`
  )
const [across, down] = [along("x", "left|right|l|r"), along("y", "top|bottom|t|b")]
const far = /\d|max|br|end|right|bottom|^[rb]$/

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

/** The numbers in an object, or in one in it, by their names. */
const numbersIn = (
  value: unknown,
  name = "",
  depth = 0
): ReadonlyArray<readonly [name: string, value: number]> =>
  isNumber(value)
    ? [[name, value]]
    : isRecord(value) && depth < 2
      ? Object.entries(value).flatMap(([key, each]) => numbersIn(each, name + plain(key), depth + 1))
      : []

type Box = readonly [x: number, y: number, width: number, height: number]

/** What a box may be: four numbers are two corners, or a corner and a size, with either side first. */
const readingsOf = (box: unknown): ReadonlyArray<Box> => {
  if (Array.isArray(box)) {
    const [a, b, c, d, ...more]: ReadonlyArray<unknown> = box.length > 4 ? [] : box.flat()
    if (!isNumber(a) || !isNumber(b) || !isNumber(c) || !isNumber(d) || more.length > 0) return []
    const [width, height] = [c - a, d - b]
    return [
      [a, b, width, height],
      [a, b, c, d],
      [b, a, height, width],
      [b, a, d, c],
      [a, c, b - a, d - c]
    ]
  }
  const numbers = numbersIn(box)
  const of = (...names: ReadonlyArray<RegExp>) =>
    numbers.flatMap(([name, value]) => (names.every((each) => each.test(name)) ? [value] : []))
  const [x, y] = [Math.min(...of(across)), Math.min(...of(down))]
  const [[width = 0], [height = 0]] = [of(/^w(?:idth)?$/), of(/^h(?:eight)?$/)]
  return [
    [x, y, width, height],
    [x, y, Math.max(...of(across, far)) - x, Math.max(...of(down, far)) - y]
  ]
}

/** The field of a box that is written beside the mask without a name, and the box. */
const flatBoxOf = (beside: Readonly<Record<string, unknown>>): readonly [string, unknown] => {
  const { g, l, t } = beside
  // Alone, `r` and `b` are of a colour.
  const isShort = isNumber(l) && isNumber(t) && g === undefined
  const fields = Object.entries(beside).filter(
    ([key, value]) => isNumber(value) && (isShort || !/^[lrtb]$/i.test(key))
  )
  const [first] = fields.find(([key]) => across.test(plain(key))) ?? []
  const isPlaced = first !== undefined && fields.some(([key]) => down.test(plain(key)))
  return isPlaced ? [first === "x" ? "width" : first, Object.fromEntries(fields)] : ["", undefined]
}

/** Whether a mask of that size begins at a place within the image, and not at its corner or half a pixel from it. */
const isPlacedAt = (given: unknown, size: Size, image: Size): boolean => {
  const place = Array.isArray(given) ? given.filter(isNumber) : numbersIn(given).map(([, value]) => value)
  const [x = 0, y = 0] = place
  const isIn = x + size.width <= image.width && y + size.height <= image.height
  return place.length === 2 && isIn && Math.min(x, y) >= 0 && Math.max(x, y) >= 1
}

/** The size of a mask, as far as that is seen before it is decoded. */
const sizeOf = (mask: unknown): Size | undefined => {
  if (Array.isArray(mask)) {
    const [first]: ReadonlyArray<unknown> = mask
    // Rows of two numbers are points of an outline.
    return Array.isArray(first) && !Array.isArray(first[0]) && first.length > 2
      ? { width: first.length, height: mask.length }
      : undefined
  }
  if (isRecord(mask) && Array.isArray(mask["size"])) {
    const [height, width]: ReadonlyArray<unknown> = mask["size"]
    return isNumber(height) && isNumber(width) ? { width, height } : undefined
  }
  // Of a PNG the first bytes tell.
  const [, head] = /^(?:data:[^,]*,)?\s*(iVBORw0KGgo.{21})/.exec(typeof mask === "string" ? mask : "") ?? []
  const bytes = head === undefined ? undefined : Base64.decode(head)
  if (bytes === undefined || bytes.length < 24) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return { width: view.getUint32(16), height: view.getUint32(20) }
}

/** What is wrong with such a mask. */
export const detail = (field: string): string =>
  /offset|origin|left$/i.test(field) && field !== "left"
    ? `its mask begins at its \`${field}\`, and is not that of the image, which is not read here`
    : `its mask is as large as its \`${field}\`, or of one size for any, and not as the image, which is not read here`

/** Boxes are of real numbers, and masks in them of whole pixels. */
const isNear = (a: number, b: number): boolean => Math.abs(a - b) <= 1

/** The field that holds the box which a mask beside it is as large as; `undefined` where it is the image's, or there is none. */
export const boxOf = (
  beside: Readonly<Record<string, unknown>>,
  mask: unknown,
  image: Size
): string | undefined => {
  const size = sizeOf(mask)
  if (size === undefined || (size.width === image.width && size.height === image.height)) return undefined
  // Mask R-CNN has masks of 28 x 28 and the like, whatever the box.
  const isFixed =
    size.width === size.height && size.width <= 56 && Math.min(image.width, image.height) >= 4 * size.width
  const { height: h, width: w } = image
  const isOf = ([, given]: readonly [string, unknown]) => {
    // Parts of the sides, where no side is longer than 1.
    const read = readingsOf(given).map((box): Box =>
      Math.max(box[2], box[3]) <= 1 ? [box[0] * w, box[1] * h, box[2] * w, box[3] * h] : box
    )
    const isWhole = read.some((box) => [0, 0, w, h].every((value, i) => isNear(value, box[i]!)))
    return read.some(([x, y, width, height]) => {
      const isIn = Math.min(x, y) > -1 && Math.max(x, width - 1) <= w && Math.max(y, height - 1) <= h
      const isSame = isNear(width, size.width) && isNear(height, size.height)
      return Math.min(width, height) > (isSame ? 1 : 7) && (isSame || (isFixed && isIn && !isWhole))
    })
  }
  const fields = Object.entries(beside)
  const words = (key: string) => key.replaceAll(/_|([a-z\d])(?=[A-Z])/g, "$1 ")
  const found = [...fields.filter(([key]) => boxes.test(words(key))), flatBoxOf(beside)].find(isOf)
  if (found !== undefined || fields.some(([key]) => /spacing/i.test(key))) return found?.[0]
  const offsets = flatBoxOf(Object.fromEntries(fields.filter(([key]) => /offset/i.test(key))))
  const placed = [...fields.filter(([key]) => corners.test(plain(key))), offsets]
  return placed.find(([, given]) => isPlacedAt(given, size, image))?.[0]
}
