/**
 * Answers of the inspection service, read. Apart from {@link Inspection}, which loads it with the first answer: what sends a
 * picture does without.
 */
import { Effect, Result, Schema } from "effect"
import * as ClassTable from "../../mask/ClassTable.ts"
import type { Palette } from "../../mask/Palette.ts"
import type { Pictures, Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import { type Answer, ok as succeeded } from "../../service/Exchange.ts"
import type { ReportedFailure, ResponseNotDecodable, ServiceError } from "../../service/ServiceError.ts"
import type { Health, ModelDescription } from "../../Transport.ts"
import * as EncodedPicture from "../EncodedPicture.ts"
import * as Side from "../Side.ts"
import * as Message from "../../service/Message.ts"
import * as InspectionAnswer from "./InspectionAnswer.ts"
import { reported } from "./Reported.ts"
import { isFailure, readError } from "./InspectionError.ts"
import * as SelfReport from "./SelfReport.ts"
import { type CodeNotLoaded, lazily } from "../../service/CodeNotLoaded.ts"

export { readError }

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Of a batch: what it found of each image. The counts are beside that. */
const BatchJson = Schema.Struct({
  batch_id: Schema.String,
  results: Schema.Array(Schema.Unknown)
})

const HealthJson = Schema.Struct({
  status: Schema.String,
  model_loaded: Schema.Boolean,
  device: Schema.optionalKey(Schema.String)
})

const Channel = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

const ModelJson = Schema.Struct({
  current_model: Schema.optionalKey(Schema.String),
  model: Schema.optionalKey(Schema.String),
  // `segformer serve` says these as well: what is in the box, and in which colours `mask_image` is painted.
  model_name: Schema.optionalKey(Schema.String),
  classes: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        id: Count,
        name: Schema.String,
        color: Schema.optionalKey(Schema.Tuple([Channel, Channel, Channel]))
      })
    )
  )
})

const decodeBatch = Decode.schema(BatchJson)
const decodeHealth = Decode.schema(HealthJson)
const decodeModel = Decode.schema(ModelJson)

/** A prediction from one result. `path` leads to it within the answer. */
const toPrediction = (
  answer: Answer,
  inspected: InspectionAnswer.Inspected,
  palette: Palette | undefined,
  path = "",
  limit?: number
): Effect.Effect<Prediction, ResponseNotDecodable | CodeNotLoaded> =>
  Effect.gen(function* () {
    const { classes: found, regions, serviceTime, size } = inspected
    const hasMask = typeof inspected.pictures.mask === "string"
    const painted = palette ?? (hasMask ? yield* inspected.palette : undefined)
    const pictures: { -readonly [K in keyof Pictures]: Pictures[K] } = {}
    for (const name of ["overlay", "combined", "mask"] as const) {
      const text = inspected.pictures[name]
      if (text === undefined || text === null) continue
      const at = `${path}${name}_image`
      const picture =
        typeof text === "string"
          ? EncodedPicture.textToPng(answer, at, text)
          : Effect.fail(Decode.notDecodable(answer, at, "it is no text"))
      // The one that is decoded has to be right, the others are beside it.
      const isNeeded = name === "mask" && (painted !== undefined || size === undefined)
      const bytes = isNeeded ? yield* picture : yield* Side.optional(answer, at, picture)
      if (bytes !== undefined) pictures[name] = bytes
    }
    const common = { pictures, scores: new Map(inspected.scores), requestId: answer.requestId, serviceTime }
    if (painted !== undefined && pictures.mask !== undefined) {
      // Whoever lists all colours lists all classes, by their names.
      const table = palette === undefined ? ClassTable.make(painted) : ClassTable.make([...palette, ...found])
      const { mask } = pictures
      // Loaded when there is a mask to unpack: a page that only shows the pictures goes without a PNG decoder.
      const PaletteMask = yield* lazily(() => import("../PaletteMask.ts"))
      const named = regions.map((region) => ({
        ...region,
        className: ClassTable.nameOf(table, region.classId)
      }))
      return {
        ...common,
        _tag: "Labels",
        labelMap: yield* PaletteMask.decode(answer, `${path}mask_image`, mask, painted, limit),
        classes: table,
        // Those of the mask are found here as well, with what the protocol has no field for.
        ...(size === undefined || (palette === undefined && inspected.isOfMask) ? {} : { regions: named })
      }
    }
    if (size === undefined) {
      return yield* Decode.notDecodable(answer, `${path}analysis_results`, "it is no object")
    }
    return { ...common, ...size, _tag: "Rendered", classes: ClassTable.make(found), regions }
  })

/** Fails where the service says `success: false`, whatever the rest of its answer looks like. */
export const refuseReported = (answer: Answer): Effect.Effect<void, ServiceError> =>
  Effect.flatMap(Decode.json(answer), (value) =>
    isFailure(value) ? Effect.fail(reported(answer, Message.messageIn(value.error))) : Effect.void
  )

/** The prediction in an answer of `/upload`: a label map with a palette, what the service rendered without one. */
export const decode = (
  answer: Answer,
  palette?: Palette,
  limit?: number
): Effect.Effect<Prediction, ServiceError> =>
  Effect.flatMap(Decode.json(answer), (value): Effect.Effect<Prediction, ServiceError> =>
    isFailure(value)
      ? Effect.fail(reported(answer, Message.messageIn(value.error)))
      : Effect.flatMap(InspectionAnswer.read(answer, value), (inspected) =>
          toPrediction(answer, inspected, palette, "", limit)
        )
  )

/** What became of one image of a batch. */
export interface BatchItem {
  readonly fileName: string | undefined
  readonly result: Result.Result<Prediction, ReportedFailure | ResponseNotDecodable | CodeNotLoaded>
}

/** The answer to `/upload/batch`. Its status is 200 even where every image failed. */
export interface Batch {
  /** For `/download/batch/{id}`. */
  readonly batchId: string
  readonly processed: number
  readonly failed: number
  readonly items: ReadonlyArray<BatchItem>
}

/** The results in an answer of `/upload/batch`. */
export const decodeBatchAnswer = (answer: Answer, palette?: Palette): Effect.Effect<Batch, ServiceError> =>
  Effect.gen(function* () {
    const value = yield* Decode.json(answer)
    // Without results it failed as a whole; with them, each says for itself.
    if (isFailure(value) && !Object.hasOwn(value, "results"))
      return yield* reported(answer, Message.messageIn(value.error))
    const json = yield* decodeBatch(answer, value)
    const items = yield* Effect.forEach(json.results, (item, index): Effect.Effect<BatchItem> => {
      const path = `results.${index}.`
      const given = Message.isRecord(item) ? item["filename"] : undefined
      // One that cannot be read costs none of the others.
      const result: Effect.Effect<Prediction, ReportedFailure | ResponseNotDecodable | CodeNotLoaded> =
        isFailure(item)
          ? Effect.fail(reported(answer, Message.messageIn(item.error)))
          : Effect.flatMap(InspectionAnswer.read(answer, item, path), (inspected) =>
              toPrediction(answer, inspected, palette, path)
            )
      return Effect.map(Effect.result(result), (result) => ({
        fileName: typeof given === "string" ? given : undefined,
        result
      }))
    })
    const failed = items.filter(({ result }) => Result.isFailure(result)).length
    return { batchId: json.batch_id, processed: items.length - failed, failed, items }
  })

/** The answer if its status is a success, else its error. */
export const ok = (answer: Answer): Effect.Effect<Answer, ServiceError> => succeeded(answer, readError)

/** The route answers 200 while no model is loaded: the field counts, not the status. */
export const health = (answer: Answer): Effect.Effect<Health, ServiceError> =>
  Effect.flatMap(ok(answer), (answer) =>
    decodeHealth(answer).pipe(
      Effect.map((json) => ({
        healthy: json.status === "ok" && json.model_loaded,
        detail: !json.model_loaded
          ? "no model is loaded"
          : json.status === "ok"
            ? `ready${json.device === undefined ? "" : ` on ${json.device}`}`
            : `its status is "${json.status}"`
      })),
      Effect.catch(SelfReport.illOr(answer))
    )
  )

/** Which model it is, and what it finds. */
export const model = (answer: Answer): Effect.Effect<ModelDescription, ServiceError> =>
  Effect.map(Effect.flatMap(ok(answer), decodeModel), (json) => ({
    name: json.model_name ?? json.current_model ?? json.model ?? "unknown",
    classes: ClassTable.make(json.classes ?? [])
  }))
