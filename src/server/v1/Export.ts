/** `/v1/export`: a label map that a caller has already, in the form that it asks for. */
import { promisify } from "node:util"
import { inflate } from "node:zlib"
import { Duration, Effect, Schema } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import * as ClassTable from "../../mask/ClassTable.ts"
import type { LabelMap } from "../../mask/LabelMap.ts"
import * as Palette from "../../mask/Palette.ts"
import * as Segmentation from "../../Segmentation.ts"
import * as Bodies from "../Bodies.ts"
import * as LargeJson from "../LargeJson.ts"
import { bad, fromError, type Refusal } from "../Refusal.ts"
import { RequestId } from "../RequestId.ts"
import * as Answer from "./Answer.ts"
import type { Models } from "./Models.ts"
import { answered } from "./Refuse.ts"
import { LabelMapToExport } from "./SegmentApi.ts"

/** A long text of a request is taken out before it is parsed. */
const Body = Schema.Struct({
  ...LabelMapToExport.fields,
  labels: Schema.Struct({
    ...LabelMapToExport.fields.labels.fields,
    deflate: Schema.Union([Schema.String, Schema.instanceOf(LargeJson.LongText)])
  })
})

const decode = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(Body),
  "Send `classes` with ids and names, and `labels` with width, height, bits and deflate, as /v1/segment gives them"
)

const unpack = promisify(inflate)

/** The ids. No more is unpacked than a map of its size takes. */
const labelMapOf = Effect.fnUntraced(function* (
  { bits, deflate, height, width }: (typeof Body.Type)["labels"],
  maxPixels: number
): Effect.fn.Return<LabelMap, Refusal> {
  if (width * height > maxPixels) {
    return yield* bad(`The map has ${width} x ${height} pixels, and this server takes at most ${maxPixels}`)
  }
  const packed = yield* LargeJson.fileOf(deflate, "labels.deflate")
  const size = (width * height * bits) / 8
  const wrong = bad(`labels.deflate is no zlib stream of ${width} x ${height} ids of ${bits} bits`)
  const bytes = yield* Effect.mapError(
    Effect.tryPromise(() => unpack(packed, { maxOutputLength: size + 1 })),
    () => wrong
  )
  if (bytes.length !== size) return yield* wrong
  const own = new Uint8Array(bytes)
  return { width, height, data: bits === 16 ? new Uint16Array(own.buffer) : own }
})

export const handle = Effect.fnUntraced(function* (
  models: Models,
  request: HttpServerRequest.HttpServerRequest
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Refusal> {
  const { served } = models[0]
  const asked = yield* Answer.asked(request.headers["accept"], undefined)
  const name = "the label map"
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const body = yield* Bodies.takeJson(served, request, served.limits.maxBytes)
      const { classes, image, labels, model } = yield* decode(body)
      return yield* served.work(
        Effect.gen(function* () {
          const labelMap = yield* labelMapOf(labels, served.limits.maxPixels)
          const requestId = yield* RequestId
          const segmentation = yield* Effect.mapError(
            Segmentation.fromPrediction(
              { source: image ?? name, width: labelMap.width, height: labelMap.height, orientation: 1 },
              {
                _tag: "Labels",
                labelMap,
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
    })
  )
}, answered)
