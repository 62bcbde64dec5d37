/**
 * One picture larger than memory: a sliding window over any `Transport`, and bands of finished rows as they come.
 *
 * Where the transport gives logits, those of overlapping windows are averaged at every pixel. Where it gives label maps,
 * each pixel is taken from the window whose centre is nearest. Memory is that of the windows under way, one band, and
 * the logits that two rows of windows share (docs/guides/large-images.md).
 *
 * ```ts
 * import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
 * import { Effect, Layer, Stream } from "effect"
 * import { SegFormerOnnx } from "effect-segformer/onnx"
 * import { SharpCodec } from "effect-segformer/sharp"
 * import { LargeImage, Tiled } from "effect-segformer/tiled"
 *
 * const program = Effect.gen(function* () {
 *   const picture = yield* LargeImage.file("docs/images/sample.jpg")
 *   const bands = Tiled.segment(picture, { crop: 512, stride: 448 })
 *   return yield* Stream.runFold(bands, () => 0, (pixels, band) => pixels + band.data.length)
 * }).pipe(Effect.scoped)
 *
 * const model = SegFormerOnnx.layer().pipe(Layer.provide(SharpCodec.layer))
 * await Effect.runPromise(Effect.provide(program, [model, NodeFileSystem.layer])) // => 614400
 * ```
 */
import { Effect, Result, Stream } from "effect"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Logits from "../mask/Logits.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as ConfidenceMap from "../mask/ConfidenceMap.ts"
import type { Box } from "../mask/Region.ts"
import { beforeSoftmaxSteps } from "../mask/Probabilities.ts"
import * as Steps from "../mask/Steps.ts"
import type { Prediction } from "../Prediction.ts"
import { MaskNotDecodable, NoLabelMap, type SegmentationError } from "../SegmentationError.ts"
import type { SegmentOptions } from "../Segmenter.ts"
import { Transport } from "../Transport.ts"
import type { Band } from "./Band.ts"
import * as LabelJoin from "./LabelJoin.ts"
import type { LargeImage } from "./LargeImage.ts"
import * as LogitBlend from "./LogitBlend.ts"
import { OverlapTooLarge, type TilingError, WindowsDisagree } from "./TilingError.ts"
import * as Windows from "./Windows.ts"
import type { SpanName } from "../TelemetryNames.ts"
import * as ErrorKind from "../ErrorKind.ts"

export interface TiledOptions
  extends Windows.WindowOptions, Pick<SegmentOptions, "policy" | "retryWhen" | "retryResult"> {
  /** Windows under way at once. 4 by default. They are asked for no faster than bands are taken. */
  readonly concurrency?: number | undefined
  /**
   * What each window counts in an average: the same (`"even"`, which is the default), or its pixel's distance to the
   * window's left or right border times that to its upper or lower one (`"distance"`).
   */
  readonly weights?: "even" | "distance" | undefined
  /**
   * Pixels along a window's border that count nothing where there is a neighbour: as many as a model needs around a
   * pixel make seams vanish. At most half of the overlap. 0 by default.
   */
  readonly margin?: number | undefined
  /**
   * Give the softmax probability of each pixel's class, of averaged logits; probabilities that a service gives are brought to
   * logits before they are averaged. Not by default.
   */
  readonly confidence?: boolean | undefined
  /** Logits kept between two rows of windows. 256 MiB by default. */
  readonly maxOverlapBytes?: number | undefined
}

/**
 * The labels of a picture from its first row to its last. A window whose attempts are used up ends the stream. Throws
 * `RangeError` for windows that cannot be.
 */
export const segment = (
  picture: LargeImage,
  options: TiledOptions = {}
): Stream.Stream<Band, SegmentationError | TilingError, Transport> => {
  const windows = Windows.make(picture, options)
  const margin = options.margin ?? 0
  if (!(Number.isInteger(margin) && margin >= 0 && margin * 2 <= windows.overlap)) {
    throw new RangeError(
      `Tiled: \`margin\` must be a whole number from 0 to half of the overlap (${windows.overlap}), but is ${margin}`
    )
  }
  ErrorKind.oneOf("Tiled", "weights", options.weights, ["even", "distance"])
  const blend = {
    margin,
    weights: options.weights ?? "even",
    confidence: options.confidence ?? false,
    maxBytes: options.maxOverlapBytes ?? 256 * 2 ** 20
  }
  return Stream.unwrap(
    Effect.map(Transport, (transport) => {
      const join = joiner(picture, windows, transport.name, blend)
      return Stream.fromIterable(Windows.each(windows), { chunkSize: 1 }).pipe(
        Stream.mapEffect(
          (window) =>
            picture.window(boxOf(windows, window)).pipe(
              Effect.flatMap((image) =>
                transport.runner.run(
                  (attempt) => transport.predict({ image, prefer: "logits" }, attempt),
                  options
                )
              ),
              Effect.map(({ value }) => ({ ...window, prediction: value }))
            ),
          { concurrency: options.concurrency ?? 4 }
        ),
        Stream.mapEffect(join),
        Stream.filter((band) => band !== undefined)
      )
    })
  ).pipe(Stream.withSpan("Tiled.segment" satisfies SpanName))
}

const boxOf = ({ columns, crop, rows }: Windows.Windows, { column, row }: Windows.Window): Box => ({
  x: columns[column]!,
  y: rows[row]!,
  ...crop
})

type Predicted = Windows.Window & { readonly prediction: Prediction }

const shares = "probabilities"

/** A window's numbers, those of a model that ends with its softmax as they were before it. */
const decided = Effect.fnUntraced(function* ({ prediction, ...window }: Predicted, isOfShares?: boolean) {
  if (prediction._tag !== "Logits") return { ...window, prediction, kind: "label maps" }
  const logits = yield* Steps.run(() => beforeSoftmaxSteps(prediction.logits, isOfShares))
  const kind = logits === prediction.logits ? "logits" : shares
  return { ...window, prediction: { ...prediction, logits }, kind }
})

interface Blend extends LogitBlend.BlendOptions {
  readonly maxBytes: number
}

/** Takes windows in their order; the first one says of what kind they are. */
const joiner = (picture: LargeImage, windows: Windows.Windows, transport: string, blend: Blend) => {
  const { source } = picture
  let first: string | undefined
  let addLogits: ReturnType<typeof LogitBlend.make> | undefined
  const addLabels = LabelJoin.make(windows)
  /** Of all windows so far: a service may name those alone that it found. */
  let classes: ClassTable.ClassTable = []

  const work = ({ kind, prediction, ...window }: Effect.Success<ReturnType<typeof decided>>) => {
    const box = boxOf(windows, window)
    const at = `${source} at ${box.x}, ${box.y}`
    const { requestId } = prediction
    const request = requestId === undefined ? {} : { requestId }
    const blame = (error: MaskNotDecodable) => {
      const { detail, mask } = error
      return new MaskNotDecodable({ mask, detail: `${at}: ${detail}`, service: transport, ...request })
    }
    const isLike = (found: string) => {
      first ??= found
      return found === first
        ? Result.succeed(undefined)
        : Result.fail(new WindowsDisagree({ source, x: box.x, y: box.y, first, found }))
    }
    return Result.gen(function* () {
      if (prediction._tag === "Rendered") {
        return yield* Result.fail(new NoLabelMap({ source: at, transport, ...request }))
      }
      if (prediction._tag === "Labels") {
        yield* isLike(kind)
        const map = yield* Result.mapError(LabelMap.make(prediction.labelMap), blame)
        const before = classes
        const isOther = disagreement(before, prediction.classes) !== undefined
        classes = isOther
          ? ClassTable.joined([before, prediction.classes])
          : ClassTable.make([...before, ...prediction.classes])
        // Services that number what they find as they find it have other ids for the same in each window.
        const own = isOther
          ? LabelMap.remap(
              map,
              ClassTable.renumbering(LabelMap.histogram(map).keys(), prediction.classes, classes)
            )
          : map
        const labels = LabelMap.resize(own, box.width, box.height)
        const { confidence } = prediction
        const sure = confidence && ConfidenceMap.resize(confidence, box.width, box.height)
        return addLabels(window, labels, sure)
      }
      const logits = yield* Result.mapError(Logits.make(prediction.logits), blame)
      const { classes: channels, height, width } = logits
      yield* isLike(`${kind} of [${channels}, ${height}, ${width}]`)
      const other = disagreement(classes, prediction.classes)
      if (other !== undefined)
        return yield* Result.fail(new WindowsDisagree({ source, x: box.x, y: box.y, ...other }))
      classes = prediction.classes
      if (addLogits === undefined) {
        const bytes = LogitBlend.overlapBytes(windows, logits)
        const limit = blend.maxBytes
        if (bytes > limit) {
          return yield* Result.fail(new OverlapTooLarge({ source, bytes, limit, classes: channels }))
        }
        addLogits = LogitBlend.make(windows, { classes: channels, height, width }, blend)
      }
      return addLogits(window, logits)
    })
  }

  return (window: Predicted) =>
    Effect.suspend(() => decided(window, first?.startsWith(shares))).pipe(
      Effect.flatMap((each) => Effect.fromResult(work(each))),
      Effect.flatMap((steps) => Steps.run(() => steps)),
      Effect.map((band): Band | undefined => band && { ...band, classes })
    )
}

/** Where a window has another name for an id than those before it, or another id for a name. */
const disagreement = (
  before: ClassTable.ClassTable,
  classes: ClassTable.ClassTable
): { readonly first: string; readonly found: string } | undefined => {
  const told = ({ id, name }: ClassTable.ClassInfo) => `"${name}" as class ${id}`
  for (const info of classes) {
    const key = ClassTable.folded(info.name)
    const own = ClassTable.get(before, info.id)
    const other = own ?? before.find(({ name }) => ClassTable.folded(name) === key)
    if (other !== undefined && (other.id !== info.id || ClassTable.folded(other.name) !== key))
      return { first: told(other), found: told(info) }
  }
  return undefined
}
