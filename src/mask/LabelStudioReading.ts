/**
 * Tasks of Label Studio's JSON export, as annotated images: brushes, bitmasks, polygons, rectangles and ellipses, turned ones too.
 * A rectangle is turned around its top left corner, an ellipse around its centre, both in pixels and not in percent.
 *
 * ```ts
 * import { Predicate, Result } from "effect"
 * import { Annotated, LabelStudioReading } from "effect-segformer/annotation"
 *
 * const value = { x: 25, y: 0, width: 50, height: 100, rotation: 0, rectanglelabels: ["pit"] }
 * const result = [{ id: "a", type: "rectanglelabels", original_width: 4, original_height: 1, image_rotation: 0, value }]
 * const task = { id: 1, data: { image: "/data/upload/1/0a1b2c3d-board.png" }, annotations: [{ id: 5, result }] }
 * const { image } = Result.getOrThrow(LabelStudioReading.task(task))
 * image?.name // => "board.png"
 * Result.getOrThrow(Annotated.toLabelMap(image!, { classOf: () => 1, outside: 0 })).data // => Uint8Array.of(0, 1, 1, 0)
 * ```
 */
import { Predicate, Result } from "effect"
import { Base64, Base64Url } from "effect/encoding"
import * as Annotated from "./Annotated.ts"
import type { Point, Ring } from "./Simplify.ts"
import * as ErrorKind from "../ErrorKind.ts"

/** A task, as far as it could be read. */
export interface ReadTask {
  /** Nothing where nobody annotated it. */
  readonly image: Annotated.AnnotatedImage | undefined
  /** What of it is no area with a label, each with why. */
  readonly leftOut: ReadonlyArray<string>
}

export interface Options {
  /**
   * Which annotation counts where a task has several: the newest or the oldest, of those that are marked as ground truth where there are
   * such. Without it a task fails unless it has one alone, or one alone is marked.
   */
  readonly prefer?: "newest" | "oldest" | undefined
  /** How whoever is told of several annotations says which. @internal */
  readonly preferBy?: string | undefined
}

type Json = Readonly<Record<string, unknown>>

const isObject = Predicate.isReadonlyObject
const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)
const isSide = (value: unknown): value is number => Number.isInteger(value) && isNumber(value) && value > 0

/** One task of an export. Fails, with the reason, where its truth cannot be told. */
export const task = (given: unknown, options: Options = {}): Result.Result<ReadTask, string> =>
  Result.gen(function* () {
    const { prefer, preferBy = "prefer" } = options
    ErrorKind.oneOf("LabelStudio", "prefer", prefer, ["newest", "oldest"])
    if (!isObject(given)) return yield* Result.fail("it is no object")
    const { annotations, completions, data } = given
    const all = annotations ?? completions
    if (isObject(data) && all === undefined && isList(given["predictions"]))
      return yield* Result.fail(
        "it has predictions and no annotations, as a file to import has: import it, correct it there, and export as JSON"
      )
    if (!isObject(data) || !isList(all))
      return yield* Result.fail("it is no task with data and annotations: export as JSON, not as JSON-MIN")
    const done = all.flatMap((one) =>
      isObject(one) && one["was_cancelled"] !== true && one["skipped"] !== true ? [one] : []
    )
    if (done.length === 0) return { image: undefined, leftOut: [] }
    const address = yield* addressOf(data)
    const { result } = yield* chosen(done, prefer, preferBy)
    const { leftOut, ...drawn } = yield* shapesOf(isList(result) ? result : [])
    return { image: { ...namesOf(address), ...drawn }, leftOut }
  })

const chosen = (
  annotations: ReadonlyArray<Json>,
  prefer: Options["prefer"],
  by: string
): Result.Result<Json, string> => {
  const marked = annotations.filter((one) => one["ground_truth"] === true)
  const among = marked.length > 0 ? marked : annotations
  const [one] = among
  if (one !== undefined && among.length === 1) return Result.succeed(one)
  if (prefer === undefined) {
    const ids = among.map(({ id }) => String(id)).join(", ")
    return Result.fail(
      `it has ${among.length} annotations${marked.length > 0 ? " marked as ground truth" : ""} (${ids}), and which of them is true it ` +
        `does not say: mark one as ground truth, or give ${by} newest`
    )
  }
  const at = (annotation: Json): number => {
    const time = Date.parse(String(annotation["updated_at"] ?? annotation["created_at"]))
    return Number.isNaN(time) ? 0 : time
  }
  // Of the same time the later one in the file is the newer.
  const byAge = among.map((annotation, index) => ({ annotation, index }))
  byAge.sort((a, b) => at(a.annotation) - at(b.annotation) || a.index - b.index)
  return Result.succeed(byAge.at(prefer === "newest" ? -1 : 0)!.annotation)
}

const isPicture = (text: string): boolean =>
  /^(?:https?|s3|gs|azure-blob|file):|^\/data\/|\.[a-z\d]{3,4}(?:$|\?)/i.test(text)

/** The image of a task: its `image`, or the only field that names one. */
const addressOf = (data: Json): Result.Result<string, string> => {
  const { image } = data
  if (typeof image === "string" && image !== "") return Result.succeed(image)
  const named = Object.values(data).filter((value) => typeof value === "string" && isPicture(value))
  const [one] = named
  if (named.length === 1 && typeof one === "string") return Result.succeed(one)
  return Result.fail(
    named.length === 0
      ? "no field of its data names an image"
      : "several fields of its data may name its image"
  )
}

/**
 * Where an image is, without what Label Studio adds to names: the address of the folder that it serves, its own addresses of what was
 * uploaded or is in a storage, and the prefix of uploads. @internal
 */
export const pathOf = (address: string): string => {
  const [, key, escaped = ""] =
    /(?:local-files|storage-data|presign|resolve).*[?&](d|filepath|fileuri)=([^&]*)/.exec(address) ?? []
  if (key === "fileuri") {
    const uri = Base64Url.decodeString(decoded(escaped).replace(/=+$/, ""))
    return Result.match(uri, { onSuccess: pathOf, onFailure: () => withoutPrefix(address) })
  }
  if (key !== undefined) return withoutPrefix(decoded(escaped))
  // Names in storages are as they are; those in addresses are escaped, and ask for more behind.
  const isEscaped = /^(?:https?:|\/)/i.test(address)
  const path = address.replace(/^[a-z][a-z\d+.-]*:\/\/[^/]*/i, "")
  return withoutPrefix(isEscaped ? decoded(path.replace(/[?#].*$/, "")) : path)
}

/** What it is called, and what Label Studio calls an upload in its own folder, where somebody may have segmented it. */
const namesOf = (address: string): Pick<Annotated.AnnotatedImage, "name" | "alias"> => {
  const name = pathOf(address)
  const alias = /(?:^|\/)upload\/\d+\/([^/?#&]+)/i.exec(decoded(address))?.[1]
  return alias === undefined || alias === name ? { name } : { name, alias }
}

/** `upload/3/0a1b2c3d-board.png` was uploaded as `board.png`. */
const withoutPrefix = (path: string): string => {
  const [, name] = /(?:^|\/)upload\/\d+\/(?:[\da-f]{8}-)?([^/]+)$/i.exec(path) ?? []
  return name ?? path.replace(/^\/+/, "")
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Types without an area: answers about the whole image, points, and lines between regions. */
const noArea =
  /^(?:choices|textarea|number|rating|taxonomy|datetime|pairwise|ranker|relation|keypoint(?:labels)?)$/

/** Shapes and their image's size, and what is neither. */
interface Drawn extends Pick<Annotated.AnnotatedImage, "shapes" | "size"> {
  readonly leftOut: ReadonlyArray<string>
}

const shapesOf = (results: ReadonlyArray<unknown>): Result.Result<Drawn, string> =>
  Result.gen(function* () {
    // A region of one tag and its label of another are two results with one id.
    const labels = new Map<unknown, ReadonlyArray<unknown>>()
    const regions = new Set<unknown>()
    for (const result of results) {
      if (!isObject(result) || !isObject(result["value"])) continue
      const own = labelsOf(result["value"])
      if (own !== undefined) labels.set(result["id"], own)
      if (typeOf(result) !== "labels") regions.add(result["id"])
    }
    const leftOut: Array<string> = []
    const seen = new Set<unknown>()
    const shapes: Array<Annotated.Shape> = []
    let size: Annotated.Size | undefined
    for (const [index, result] of results.entries()) {
      if (!isObject(result)) return yield* Result.fail(`its region ${index + 1} is no object`)
      const { id = index, value } = result
      const type = typeOf(result)
      if (type === "labels" && regions.has(id)) continue
      if (noArea.test(type)) {
        leftOut.push(`a ${type} is no area`)
        continue
      }
      const called = `its region ${String(id)}`
      if (!isObject(value)) return yield* Result.fail(`${called} has no value`)
      if (seen.has(id)) return yield* Result.fail(`${called} is there twice`)
      seen.add(id)
      size = yield* sizeOf(result, size, called)
      const own = labels.get(id) ?? labelsOf(value) ?? []
      const [label] = own
      if (label === undefined) leftOut.push("a region has no label")
      else if (own.length > 1 || typeof label !== "string")
        return yield* Result.fail(`${called} has ${own.length} labels: a pixel has one class`)
      else shapes.push({ label, area: yield* areaOf(value, type, size, called) })
    }
    return { leftOut, shapes, ...(size === undefined ? {} : { size }) }
  })

const typeOf = ({ type }: Json): string => (typeof type === "string" ? type.toLowerCase() : "region")

/** The size of a region's image, which is that of the others. */
const sizeOf = (
  region: Json,
  others: Annotated.Size | undefined,
  called: string
): Result.Result<Annotated.Size, string> => {
  const { image_rotation: turned = 0, item_index: item = 0 } = region
  const { original_height: height, original_width: width } = region
  if (turned !== 0)
    return Result.fail(`${called} was drawn on the image turned by ${String(turned)}°: turn it back there`)
  if (item !== 0)
    return Result.fail(`${called} is on image ${String(item)} of a list: tasks of one image are read`)
  if (!isSide(width) || !isSide(height))
    return Result.fail(`${called} has no original_width and original_height`)
  return others === undefined || (others.width === width && others.height === height)
    ? Result.succeed({ width, height })
    : Result.fail(
        `its regions are for images of ${others.width} x ${others.height} and ${width} x ${height} pixels`
      )
}

const labelKeys = [
  "brushlabels",
  "bitmasklabels",
  "polygonlabels",
  "rectanglelabels",
  "ellipselabels",
  "vectorlabels",
  "labels"
]

const labelsOf = (value: Json): ReadonlyArray<unknown> | undefined =>
  labelKeys.map((key) => value[key]).find(isList)

const areaOf = (
  value: Json,
  type: string,
  size: Annotated.Size,
  called: string
): Result.Result<Annotated.Area, string> => {
  const { imageDataURL, points, rle, vertices } = value
  if (rle !== undefined) {
    return isList(rle) && rle.every(isByte)
      ? Result.succeed({ _tag: "Brush", rle: Uint8Array.from(rle, Number) })
      : Result.fail(`${called} has an rle that is no list of bytes`)
  }
  if (imageDataURL !== undefined) {
    const [, base64] = /^data:image\/png;base64,(.*)$/s.exec(String(imageDataURL)) ?? []
    const png = base64 === undefined ? undefined : Result.getOrUndefined(Base64.decode(base64))
    return png === undefined
      ? Result.fail(`${called} has an imageDataURL that is no PNG`)
      : Result.succeed({ _tag: "Bitmask", png })
  }
  if (points !== undefined || vertices !== undefined) {
    return value["closed"] === false
      ? Result.fail(`${called} is an outline that is not closed`)
      : Result.map(ringOf(points ?? vertices, size, called), (ring) => ({ _tag: "Polygon", ring }))
  }
  return Result.gen(function* () {
    const number = (name: string, fallback?: number): Result.Result<number, string> => {
      const found = value[name] ?? fallback
      return isNumber(found)
        ? Result.succeed(found)
        : Result.fail(`${called} has no ${name} that is a number`)
    }
    const along = (name: string) => Result.map(number(name), (percent) => (percent * size.width) / 100)
    const down = (name: string) => Result.map(number(name), (percent) => (percent * size.height) / 100)
    const isEllipse = value["radiusX"] !== undefined
    if (!isEllipse && value["width"] === undefined)
      return yield* Result.fail(`${called} is a ${type}, which is not read`)
    const x = yield* along("x")
    const y = yield* down("y")
    const rotation = yield* number("rotation", 0)
    if (isEllipse) {
      const ellipse = { x, y, radiusX: yield* along("radiusX"), radiusY: yield* down("radiusY"), rotation }
      return { _tag: "Ellipse", ellipse } as const
    }
    const box = [x, y, yield* along("width"), yield* down("height")] as const
    return { _tag: "Polygon", ring: Annotated.rectangle(box, rotation, [x, y]) } as const
  })
}

const isByte = (value: unknown): value is number =>
  isNumber(value) && Number.isInteger(value) && value >= 0 && value <= 255

/** The points of an outline, in pairs or as vertices with straight lines between. */
const ringOf = (points: unknown, size: Annotated.Size, called: string): Result.Result<Ring, string> => {
  if (!isList(points) || points.length < 3)
    return Result.fail(`${called} is an outline of fewer than three points`)
  const ring: Array<Point> = []
  for (const point of points) {
    const [x, y] = isList(point) ? point : isObject(point) ? [point["x"], point["y"]] : []
    if (isObject(point) && point["isBezier"] === true)
      return Result.fail(`${called} is an outline of curves, which are not read`)
    if (!isNumber(x) || !isNumber(y)) return Result.fail(`${called} has a point that is no two numbers`)
    ring.push([(x * size.width) / 100, (y * size.height) / 100])
  }
  return Result.succeed(ring)
}
