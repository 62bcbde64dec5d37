/**
 * Masks that are as large as the box beside them, and not as the image: stretched over all of it they would be another mask.
 * Detectors that draw in their boxes answer so, and annotation tools.
 */
import * as Base64 from "../service/Base64.ts"
import type { Size } from "../mask/Fit.ts"
import { isRecord } from "./protocol/Errors.ts"

const boxFields = [
  "bbox",
  "box",
  "bounds",
  "bounding_box",
  "boundingBox",
  "roi",
  "crop",
  "xyxy",
  "box_2d"
] as const

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

/** The sizes that a box may have: four numbers are two corners, or a corner and a size. */
const sizesOf = (box: unknown): ReadonlyArray<Size> => {
  if (Array.isArray(box)) {
    const [a, b, c, d]: ReadonlyArray<unknown> = box.length === 4 ? box : []
    return isNumber(a) && isNumber(b) && isNumber(c) && isNumber(d)
      ? [
          { width: c - a, height: d - b },
          { width: c, height: d }
        ]
      : []
  }
  if (!isRecord(box)) return []
  const {
    height = box["h"],
    width = box["w"],
    x1 = box["xmin"],
    x2 = box["xmax"],
    y1 = box["ymin"],
    y2 = box["ymax"]
  } = box
  return [
    ...(isNumber(width) && isNumber(height) ? [{ width, height }] : []),
    ...(isNumber(x1) && isNumber(x2) && isNumber(y1) && isNumber(y2)
      ? [{ width: x2 - x1, height: y2 - y1 }]
      : [])
  ]
}

/** Of those that write the box beside the mask without a name: its place, and its size or its other corner. */
const flatBoxOf = (beside: Readonly<Record<string, unknown>>): readonly [string, unknown] | undefined => {
  const { bottom, height = beside["h"], left, right, top, width = beside["w"], x, x1, xmin, y } = beside
  if (isNumber(x) && isNumber(y)) return ["width", { width, height }]
  if (isNumber(x1) || isNumber(xmin)) return [isNumber(x1) ? "x1" : "xmin", beside]
  return isNumber(left) && isNumber(top)
    ? ["left", isNumber(right) ? [left, top, right, bottom] : { width, height }]
    : undefined
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
  `its mask is as large as its \`${field}\`, and not as the image, which is not read here`

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
  const boxes = [...boxFields.map((field) => [field, beside[field]] as const), flatBoxOf(beside) ?? ["", 0]]
  const found = boxes.find(([, given]) =>
    sizesOf(given).some(
      (box) =>
        isNear(box.width, size.width) && isNear(box.height, size.height) && box.width > 1 && box.height > 1
    )
  )
  return found?.[0]
}
