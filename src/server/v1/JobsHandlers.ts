/** `/v1/jobs`, at work. */
import { Effect } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as Bodies from "../Bodies.ts"
import type { Jobs, Work } from "../jobs/Jobs.ts"
import * as Outside from "../Outside.ts"
import { bad, notFound, Refusal } from "../Refusal.ts"
import { currentSubject } from "../Security.ts"
import * as Uploads from "../Uploads.ts"
import * as Zip from "../Zip.ts"
import * as Accept from "./Accept.ts"
import * as Answer from "./Answer.ts"
import { SegFormerApi } from "./Api.ts"
import type { JobInfo } from "./JobsApi.ts"
import * as Models from "./Models.ts"
import { answered, checkQuery } from "./Refuse.ts"

/** Segments an image of a job, in the two forms that are kept. */
export const work =
  (models: Models.Models): Work =>
  (model, upload, requestId) =>
    Effect.flatMap(Models.find(models, model), ({ name, served }) =>
      served.segment(upload, (segmented) => {
        const as = (format: string) =>
          Effect.flatMap(
            Answer.make(segmented, { format, labels: false, confidence: false }, { model: name, requestId }),
            bytesOf
          )
        return Effect.all({ json: as("application/json"), png: as("image/png") })
      })
    )

const bytesOf = ({ body }: HttpServerResponse.HttpServerResponse): Effect.Effect<Uint8Array, Refusal> =>
  body._tag === "Uint8Array"
    ? Effect.succeed(body.body)
    : Effect.die(new Error(`A result to be kept is in one piece, and not ${body._tag}`))

/** With where to look next, and when. */
const informed = (
  request: HttpServerRequest.HttpServerRequest,
  info: JobInfo,
  status = 200
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(info, {
    status,
    headers: {
      location: `${Outside.prefixOf(request)}/v1/jobs/${info.jobId}`,
      ...(info.expiresAt === undefined ? { "retry-after": "1" } : {})
    }
  })

/** The name of an image without its ending, safe in any archive. */
const stem = (name: string): string => Uploads.safeName(name).replace(/\.\w{1,5}$/, "")

const archive = (jobs: Jobs, info: JobInfo, caller: string | undefined) => {
  const digits = String(info.total).length
  const entries: Array<Zip.ZipEntry<Refusal>> = []
  const images = info.images.map((image) => {
    if (image.status !== "succeeded") return image
    const file = `${String(image.index).padStart(digits, "0")}-${stem(image.name)}`
    const entry = (kind: "json" | "png", path: string) =>
      entries.push({ path, bytes: jobs.result(info.jobId, image.index, kind, caller) })
    entry("png", `${file}.labels.png`)
    entry("json", `${file}.json`)
    return { ...image, labels: `${file}.labels.png`, result: `${file}.json` }
  })
  const index = new TextEncoder().encode(`${JSON.stringify({ ...info, images }, null, 2)}\n`)
  return HttpServerResponse.stream(
    Zip.stream([{ path: "job.json", bytes: Effect.succeed(index) }, ...entries]),
    {
      contentType: "application/zip",
      headers: { "content-disposition": `attachment; filename="job-${info.jobId}.zip"` }
    }
  )
}

/** Without jobs, the routes say how to have them. */
const off = notFound("This service keeps no jobs")

export const layer = (models: Models.Models, kept: Jobs | undefined) => {
  const jobs = kept === undefined ? Effect.fail(off) : Effect.succeed(kept)
  return HttpApiBuilder.group(SegFormerApi, "jobs", (handlers) =>
    handlers
      .handleRaw(
        "submit",
        Effect.fnUntraced(function* ({ query, request }) {
          const { submit } = yield* jobs
          yield* checkQuery(request, "model")
          const { name: model, served } = yield* Models.find(models, query.model)
          const key = request.headers["idempotency-key"]
          if (key !== undefined && (key === "" || key.length > 255)) {
            return yield* bad("Idempotency-Key has 1 to 255 characters")
          }
          const images = yield* Bodies.takeFiles(served, request, ["image", "images", "file"])
          return informed(
            request,
            yield* submit({ model, images, user: yield* currentSubject, idempotencyKey: key }),
            202
          )
        }, answered)
      )
      .handleRaw(
        "status",
        Effect.fnUntraced(function* ({ params, request }) {
          return informed(request, yield* (yield* jobs).info(params.jobId, yield* currentSubject))
        }, answered)
      )
      .handleRaw(
        "cancel",
        Effect.fnUntraced(function* ({ params, request }) {
          return informed(request, yield* (yield* jobs).cancel(params.jobId, yield* currentSubject))
        }, answered)
      )
      .handleRaw(
        "result",
        Effect.fnUntraced(function* ({ params, request }) {
          const kept = yield* jobs
          yield* checkQuery(request)
          const caller = yield* currentSubject
          const info = yield* kept.info(params.jobId, caller)
          if (info.status === "queued" || info.status === "running") {
            const detail = `Job ${info.jobId} is not over: ${info.done} of ${info.total} images are done`
            return yield* new Refusal({ status: 409, detail })
          }
          return archive(kept, info, caller)
        }, answered)
      )
      .handleRaw(
        "image",
        Effect.fnUntraced(function* ({ params, request }) {
          const kept = yield* jobs
          yield* checkQuery(request)
          const type = Accept.choose(request.headers["accept"], ["application/json", "image/png"])
          if (type === undefined) {
            const detail = "The result can be had as application/json or image/png"
            return yield* new Refusal({ status: 406, detail })
          }
          const index = /^\d{1,6}$/.test(params.index) ? Number(params.index) : -1
          const kind = type === "image/png" ? "png" : "json"
          const bytes = yield* kept.result(params.jobId, index, kind, yield* currentSubject)
          return HttpServerResponse.uint8Array(bytes, { contentType: type })
        }, answered)
      )
  )
}
