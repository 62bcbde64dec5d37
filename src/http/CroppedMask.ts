/**
 * Masks that are as large as the box beside them, and not as the image: stretched over all of it they would be another mask.
 * Detectors that draw in their boxes answer so, and annotation tools.
 */
import * as Base64 from "../service/Base64.ts"
import { type Size, turn } from "../mask/Fit.ts"
import { plain } from "./Fields.ts"
import { isRecord } from "./protocol/Errors.ts"

/** Fields of boxes, and of the corner alone where a mask begins, without what sets words apart. */
const boxes = /box|bounds|roi|crop|rect|xyxy|xywh|ltrb|tlbr/
const corners = /^(?:mask)?(?:offset|origin|topleft)$/

/** What names numbers across and down. */
const across =
  /^(?:x(?:\d|min|max|tl|br|center|offset)?|(?:min|max|start|end|c|center|offset|topleft|bottomright)x|left|right|l|r)$/
const down =
  /^(?:y(?:\d|min|max|tl|br|center|offset)?|(?:min|max|start|end|c|center|offset|topleft|bottomright)y|top|bottom|t|b)$/

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

/** The sizes that a box may have: four numbers are two corners, or a corner and a size, with either side first. */
const sizesOf = (box: unknown): ReadonlyArray<Size> => {
  if (Array.isArray(box)) {
    const [a, b, c, d, ...more]: ReadonlyArray<unknown> = box.length > 4 ? [] : box.flat()
    if (!isNumber(a) || !isNumber(b) || !isNumber(c) || !isNumber(d) || more.length > 0) return []
    const sides = { width: c - a, height: d - b }
    return [
      sides,
      { width: c, height: d },
      turn(sides),
      { width: d, height: c },
      { width: b - a, height: d - c }
    ]
  }
  const numbers = numbersIn(box)
  const of = (names: RegExp) => numbers.flatMap(([name, value]) => (names.test(name) ? [value] : []))
  const span = (values: ReadonlyArray<number>) => Math.max(...values) - Math.min(...values)
  const [xs, ys, [width], [height]] = [of(across), of(down), of(/^w(?:idth)?$/), of(/^h(?:eight)?$/)]
  return [
    ...(width !== undefined && height !== undefined ? [{ width, height }] : []),
    ...(xs.length > 1 && ys.length > 1 ? [{ width: span(xs), height: span(ys) }] : [])
  ]
}

/** The field of a box that is written beside the mask without a name, and the box. */
const flatBoxOf = (beside: Readonly<Record<string, unknown>>): readonly [string, unknown] => {
  const fields = Object.entries(beside).filter(([, value]) => isNumber(value))
  const [first] = fields.find(([key]) => across.test(plain(key))) ?? []
  const isPlaced = first !== undefined && fields.some(([key]) => down.test(plain(key)))
  return isPlaced ? [first === "x" ? "width" : first, Object.fromEntries(fields)] : ["", undefined]
}

/** Whether a mask of that size begins at a place within the image, and not at its corner. */
const isPlacedAt = (given: unknown, size: Size, image: Size): boolean => {
  const place = Array.isArray(given) ? given.filter(isNumber) : numbersIn(given).map(([, value]) => value)
  const [x = 0, y = 0] = place
  const isIn = x + size.width <= image.width && y + size.height <= image.height
  return place.length === 2 && isIn && Math.min(x, y) >= 0 && Math.max(x, y) > 0
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
  const text =
    typeof mask === "string"
      ? mask
          .replace(/^data:[^,]*,/, "")
          .trimStart()
          .slice(0, 32)
      : ""
  if (!text.startsWith("iVBORw0KGgo") || text.length < 32) return undefined
  const bytes = Base64.decode(text)
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
  const isOf = (box: Size) =>
    box.width > 1 &&
    box.height > 1 &&
    (isFixed || (isNear(box.width, size.width) && isNear(box.height, size.height)))
  // Parts of the sides, where no side is longer than 1.
  const scaled = ({ height, width }: Size) =>
    width <= 1 && height <= 1
      ? { width: width * image.width, height: height * image.height }
      : { width, height }
  const named = Object.entries(beside).filter(([key]) => boxes.test(plain(key)))
  const found = [...named, flatBoxOf(beside)].find(([, given]) => sizesOf(given).map(scaled).some(isOf))
  const [flat, offsets] = flatBoxOf(
    Object.fromEntries(Object.entries(beside).filter(([key]) => /offset/i.test(key)))
  )
  const placed = [
    ...Object.entries(beside).filter(([key]) => corners.test(plain(key))),
    [flat, offsets] as const
  ]
  return (found ?? placed.find(([, given]) => isPlacedAt(given, size, image)))?.[0]
}
