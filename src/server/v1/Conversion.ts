/** A label map that a caller has already, in the form that it asks for. */
import { Duration, Effect, Schema } from "effect"
import type { HttpServerResponse } from "effect/http"
import * as ClassTable from "../../mask/ClassTable.ts"
import type { ConfidenceMap } from "../../mask/ConfidenceMap.ts"
import type { LabelMap } from "../../mask/LabelMap.ts"
import * as Palette from "../../mask/Palette.ts"
import * as Steps from "../../mask/Steps.ts"
import * as Segmentation from "../../Segmentation.ts"
import * as ClassScores from "../ClassScores.ts"
import type { Served } from "../Dialect.ts"
import * as LargeJson from "../LargeJson.ts"
import { bad, fromError, type Refusal } from "../Refusal.ts"
import { RequestId } from "../RequestId.ts"
import * as Zlib from "../Zlib.ts"
import * as Answer from "./Answer.ts"
import { LabelMapToExport } from "./SegmentApi.ts"

/** A long text of a request is taken out before it is parsed. */
const Packed = Schema.Union([Schema.String, Schema.instanceOf(LargeJson.LongText)])

export const Body = Schema.Struct({
  ...LabelMapToExport.fields,
  labels: Schema.Struct({ ...LabelMapToExport.fields.labels.fields, deflate: Packed }),
  confidence: Schema.optionalKey(Schema.Struct({ width: Schema.Int, height: Schema.Int, deflate: Packed }))
})

/** The bytes of a plane, which are to be so many. No more is unpacked than that. */
const unpacked = Effect.fnUntraced(function* (
  deflate: typeof Packed.Type,
  field: string,
  size: number,
  what: string
): Effect.fn.Return<Uint8Array<ArrayBuffer>, Refusal> {
  const packed = yield* LargeJson.fileOf(deflate, `${field}.deflate`)
  const wrong = bad(`${field}.deflate is no zlib stream of ${what}`)
  const bytes = yield* Effect.mapError(
    Effect.tryPromise(() => Zlib.inflate(packed, size + 1)),
    () => wrong
  )
  return bytes.length === size ? new Uint8Array(bytes) : yield* wrong
})

/** The ids. */
const labelMapOf = Effect.fnUntraced(function* (
  { bits, deflate, height, width }: (typeof Body.Type)["labels"],
  maxPixels: number
): Effect.fn.Return<LabelMap, Refusal> {
  if (width * height > maxPixels) {
    return yield* bad(`The map has ${width} x ${height} pixels, and this server takes at most ${maxPixels}`)
  }
  const size = (width * height * bits) / 8
  const own = yield* unpacked(deflate, "labels", size, `${width} x ${height} ids of ${bits} bits`)
  return { width, height, data: bits === 16 ? new Uint16Array(own.buffer) : own }
})

/** The confidence of each pixel of the labels. */
const confidenceOf = Effect.fnUntraced(function* (
  confidence: (typeof Body.Type)["confidence"],
  { height, width }: LabelMap
): Effect.fn.Return<ConfidenceMap | undefined, Refusal> {
  if (confidence === undefined) return undefined
  if (confidence.width !== width || confidence.height !== height) {
    return yield* bad(
      `confidence has ${confidence.width} x ${confidence.height} pixels, and labels ${width} x ${height}`
    )
  }
  const bytes = yield* unpacked(
    confidence.deflate,
    "confidence",
    width * height,
    `${width} x ${height} bytes`
  )
  return yield* Steps.run(() => ClassScores.confidenceFrom(width, height, bytes))
})

/** The answer, made when its turn comes. */
export const make = (
  served: Pick<Served, "limits" | "work">,
  { classes, confidence, image, labels, model }: typeof Body.Type,
  asked: Answer.Asked
): Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal> =>
  served.work(
    Effect.gen(function* () {
      const labelMap = yield* labelMapOf(labels, served.limits.maxPixels)
      const sure = yield* confidenceOf(confidence, labelMap)
      const requestId = yield* RequestId
      const segmentation = yield* Effect.mapError(
        Segmentation.fromPrediction(
          { source: image ?? name, width: labelMap.width, height: labelMap.height, orientation: 1 },
          {
            _tag: "Labels",
            labelMap,
            confidence: sure,
            classes: ClassTable.make(
              classes.map(({ color, id, name }) => ({
                id,
                name,
                color: color === undefined ? undefined : Palette.fromHex(color)
              }))
            ),
            scores: new Map(
              classes.flatMap(({ confidence, id }) =>
                confidence === undefined || confidence === null ? [] : [[id, confidence] as const]
              )
            )
          },
          name,
          { attempts: 0, duration: Duration.zero, serviceTime: undefined, requestId }
        ),
        fromError
      )
      return yield* Answer.make({ image: { name: image ?? "image" }, segmentation }, asked, {
        model: model ?? name,
        requestId
      })
    })
  )

/** What it is called where nobody says. */
const name = "the label map"
