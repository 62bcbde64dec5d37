/**
 * The inspection service's protocol, served: what `SegFormerHttp` and the service's own clients call.
 *
 * `mask_image` is painted in the colours that `GET /api/model/current` lists under `classes`, so a client that is
 * given them (or reads them there) has the label map back, pixel for pixel. Background is in no list of regions.
 */
import { Clock, Effect, Result, Schema, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import * as Inspection from "../../../http/protocol/Inspection.ts"
import * as ImageFormat from "../../../image/ImageFormat.ts"
import { randomHex } from "../../../randomHex.ts"
import * as Colors from "../../../render/Colors.ts"
import { type Dialect, type DialectRoute, get, post, type Served, type Upload } from "../../Dialect.ts"
import * as Bodies from "../../Bodies.ts"
import * as InspectionResult from "./InspectionResult.ts"
import * as JsonPieces from "../../JsonPieces.ts"
import { json } from "../../JsonPieces.ts"
import * as LargeJson from "../../LargeJson.ts"
import * as ModelName from "../../ModelName.ts"
import * as Refusals from "../../Refusal.ts"
import * as ResultStore from "../../ResultStore.ts"
import { currentSubject } from "../../Security.ts"
import * as Uploads from "../../Uploads.ts"
import * as Zip from "../../Zip.ts"

export interface InspectionDialectOptions {
  /** Which pictures answers hold; the others are null. All by default. */
  readonly pictures?: ReadonlyArray<InspectionResult.PictureName> | undefined
  /** Bytes of result files kept for `/download`: the oldest batches make room. 512 MiB by default. */
  readonly maxStoredBytes?: number | undefined
}

const endings = ImageFormat.list(ImageFormat.endings(Inspection.formats), "or")

const takes = (name: string): boolean => {
  const format = ImageFormat.ofName(name)
  return format !== undefined && Inspection.formats.has(format)
}

/** The statuses the protocol knows; what is wrong behind this server is a 503 or a 500 to its clients. */
const statusOf = (status: number): number =>
  status === 415 ? 400 : status === 504 ? 503 : status === 502 ? 500 : status

const refuse = (refusal: Refusals.Refusal) =>
  Refusals.answer(refusal, { success: false, error: refusal.detail }, statusOf(refusal.status))

/** `/download` says it without `success`. */
const refuseDownload = (refusal: Refusals.Refusal) =>
  Refusals.answer(refusal, { error: refusal.detail }, statusOf(refusal.status))

const decodeSwitch = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(Schema.Struct({ model: Schema.String })),
  'The body must be an object such as {"model": "segformer"}'
)

/** The dialect `inspection`. */
export const make = (options: InspectionDialectOptions = {}): Dialect => ({
  name: "inspection",
  refuse,
  routes: (served) =>
    Effect.map(
      Effect.orDie(ResultStore.make(served.files, options.maxStoredBytes ?? 512 * 1024 * 1024)),
      (store) => [
        upload(served, new Set(options.pictures ?? InspectionResult.pictureNames)),
        uploadBatch(served, new Set(options.pictures ?? InspectionResult.pictureNames), store),
        ...questions(served),
        ...downloads(store)
      ]
    )
})

type Wanted = ReadonlySet<InspectionResult.PictureName>

/** Segments and renders, within one turn. */
const inspect = (served: Served, file: Upload, wanted: Wanted) =>
  takes(file.name)
    ? served.segment({ ...file, name: Uploads.safeName(file.name) }, (segmented) =>
        InspectionResult.make(segmented, served.codec, wanted)
      )
    : Effect.fail(Refusals.bad(`The name of the file must end in ${endings}, not "${file.name}"`))

const now = Effect.map(Clock.currentTimeMillis, InspectionResult.timestampOf)

const upload = (served: Served, wanted: Wanted): DialectRoute =>
  post(
    "/upload",
    Effect.fnUntraced(function* (request) {
      const file = yield* Bodies.takeImage(served, request, "image", true)
      const result = yield* inspect(served, file, wanted)
      const timestamp = yield* now
      return JsonPieces.answer(
        (function* () {
          yield "{"
          yield* InspectionResult.fields(Uploads.safeName(file.name), result, result.pictures, timestamp)
          yield `,"timestamp":"${timestamp}"}`
        })()
      )
    })
  )

const uploadBatch = (served: Served, wanted: Wanted, store: ResultStore.ResultStore): DialectRoute =>
  post(
    "/upload/batch",
    Effect.fnUntraced(function* (request) {
      const files = yield* Bodies.takeFiles(served, request, ["images"])
      const clock = yield* Clock.Clock
      const started = clock.monotonicTimeNanosUnsafe()
      const timestamp = yield* now
      const id = `${timestamp}_${randomHex(8)}`
      const owner = yield* currentSubject
      const keep = yield* store.create(id, owner)
      const write = (name: string, bytes: Uint8Array) => Effect.orDie(keep(name, bytes))

      const items = yield* Effect.forEach(
        files,
        Effect.fnUntraced(function* (file, index) {
          const name = Uploads.safeName(file.name)
          const folder = `${index}_${name}`
          const inspected = yield* Effect.result(inspect(served, file, wanted))
          if (Result.isFailure(inspected)) {
            yield* Effect.logInfo(`Image ${index} of batch ${id} failed: ${inspected.failure.message}`)
            return { index, name, error: inspected.failure.detail }
          }
          const { pictures, ...rest } = inspected.success
          // Pictures wait on disk for their place in the answer: a batch must not fill the memory.
          for (const kind of InspectionResult.pictureNames) {
            const bytes = pictures[kind]
            if (bytes !== undefined) yield* write(`${folder}/${kind}.png`, bytes)
          }
          const result = { ...rest, pictures: {} }
          yield* write(
            `${folder}/analysis.json`,
            new TextEncoder().encode([...InspectionResult.analysis(result, timestamp)].join(""))
          )
          return { index, name, folder, result }
        }),
        { concurrency: served.concurrency }
      )
      const failed = items.filter((item) => "error" in item).length
      const took = Number(clock.monotonicTimeNanosUnsafe() - started) / 1e9
      const head = {
        success: true,
        total_images: items.length,
        processed: items.length - failed,
        failed,
        batch_id: id,
        total_processing_time: took,
        summary_path: `${id}/summary.json`,
        timestamp
      }
      const summary = items.map((item) =>
        "error" in item
          ? { filename: item.name, success: false, error: item.error }
          : { filename: item.name, success: true, total_defects: item.result.regions.length }
      )
      yield* write("summary.json", new TextEncoder().encode(JSON.stringify({ ...head, results: summary })))
      return JsonPieces.answer(
        (function* () {
          yield `${JSON.stringify(head).slice(0, -1)},"results":[`
          for (const item of items) {
            const start = item.index === 0 ? "" : ","
            if ("error" in item) {
              const { error, index, name } = item
              yield start + JSON.stringify({ filename: name, success: false, error, file_index: index + 1 })
              continue
            }
            const picture = (kind: InspectionResult.PictureName) =>
              store.file(`${id}/${item.folder}/${kind}.png`, owner)?.bytes
            yield `${start}{`
            yield* InspectionResult.fields(
              item.name,
              item.result,
              { overlay: picture("overlay"), combined: picture("combined"), mask: picture("mask") },
              timestamp
            )
            yield `,"file_index":${item.index + 1},"output_dir":${JSON.stringify(`${id}/${item.folder}`)}}`
          }
          yield "]}"
        })()
      )
    })
  )

/** The only model there is, by the name the protocol has for it. */
const modelName = "segformer"

const questions = (served: Served): ReadonlyArray<DialectRoute> => [
  get("/health", () =>
    Effect.map(Effect.all([served.health, now]), ([health, timestamp]) =>
      json({
        status: "ok",
        timestamp,
        model_loaded: health.healthy,
        device: "cpu",
        cuda_available: false,
        system: process.platform
      })
    )
  ),
  get("/api/status", () =>
    Effect.map(Effect.all([served.state, served.health, now]), ([state, health, timestamp]) =>
      json({
        success: true,
        status: "ok",
        timestamp,
        model_loaded: health.healthy,
        system: process.platform,
        current_model: modelName,
        current_model_name: "SegFormer",
        available_models: [modelName],
        llm_available: false,
        device: "cpu",
        supported_formats: ImageFormat.endings(Inspection.formats).map((ending) => ending.replace(/^\./, "")),
        max_file_size_mb: Math.floor(served.limits.maxBytes / (1024 * 1024)),
        uptime_seconds: Math.round(state.uptime),
        requests_present: state.present,
        images_in_work: state.working,
        images_segmented: state.segmented,
        images_failed: state.failed,
        limits: {
          max_bytes: served.limits.maxBytes,
          max_pixels: served.limits.maxPixels,
          max_images: served.limits.maxImages
        }
      })
    )
  ),
  get("/api/model/current", () =>
    Effect.map(Effect.andThen(ModelName.checkReady(served), served.describe), ({ classes, name }) =>
      json({
        success: true,
        current_model: modelName,
        model_name: name,
        model_loaded: true,
        classes: Colors.paletteOf(classes)
      })
    )
  ),
  get("/api/model/available", () =>
    Effect.map(Effect.all([served.health, now]), ([{ healthy }, timestamp]) =>
      json({
        success: true,
        models: [{ type: modelName, name: "SegFormer", file_exists: healthy, is_current: true }],
        current_model: modelName,
        timestamp
      })
    )
  ),
  post(
    "/api/model/switch",
    Effect.fnUntraced(function* (request) {
      yield* Bodies.checkJson(request)
      const limits = { ...served.limits, maxBytes: 64 * 1024 }
      const wanted = yield* decodeSwitch(yield* Bodies.read(request, limits))
      if (wanted.model !== modelName) {
        return yield* Refusals.bad(`There is no model "${wanted.model}" here, only "${modelName}"`)
      }
      return json({ success: true, message: "It is current already", current_model: modelName })
    })
  )
]

const downloads = (store: ResultStore.ResultStore): ReadonlyArray<DialectRoute> => [
  {
    ...get("/download/batch/:id", (_, { id = "" }) =>
      Effect.flatMap(currentSubject, (owner) => {
        const files = store.batch(id, owner)
        if (files === undefined) return gone("batch of this id")
        return Effect.succeed(
          HttpServerResponse.stream(Zip.stream(files), {
            contentType: "application/zip",
            headers: { "content-disposition": `attachment; filename="${id}.zip"` }
          })
        )
      })
    ),
    refuse: refuseDownload
  },
  {
    ...get("/download/*", (_, { "*": path = "" }) =>
      Effect.flatMap(currentSubject, (owner) => {
        const file = store.file(path, owner)
        if (file === undefined) return gone("file of this name")
        const contentType = path.endsWith(".png") ? "image/png" : "application/json"
        return Effect.map(Effect.orDie(file.bytes), (bytes) =>
          HttpServerResponse.stream(Stream.succeed(bytes), { contentType, contentLength: bytes.length })
        )
      })
    ),
    refuse: refuseDownload
  }
]

const gone = (what: string) =>
  Effect.fail(Refusals.notFound(`There is no ${what}. Older ones make room for newer`))
