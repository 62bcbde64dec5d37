/**
 * The contract of jobs: images that are segmented while nobody waits. Its names are those that a `JobClient` is made from.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization, refusals } from "./ApiError.ts"
import { file, SegmentResult } from "./SegmentApi.ts"

/** `cancelled` for an image that its job's end has spared. */
export const JobState = Schema.Literals(["queued", "running", "succeeded", "failed", "cancelled"])
export type JobState = typeof JobState.Type

const JobFailure = Schema.Struct({ tag: Schema.String, message: Schema.String })

export const JobImage = Schema.Struct({
  /** Its place in the job, from 0: `/v1/jobs/{jobId}/images/{index}`. */
  index: Schema.Int,
  /** As it was sent. */
  name: Schema.String,
  status: JobState,
  error: Schema.optionalKey(JobFailure)
})
export type JobImage = typeof JobImage.Type

/** A job. It has failed when none of its images could be segmented; else `failed` says how many could not. */
export const JobInfo = Schema.Struct({
  jobId: Schema.String,
  model: Schema.String,
  status: JobState,
  total: Schema.Int,
  done: Schema.Int,
  failed: Schema.Int,
  /** As ISO 8601 has it. */
  createdAt: Schema.String,
  /** Until when its results are kept, once it is over. */
  expiresAt: Schema.optionalKey(Schema.String),
  /** Of a job that has failed: what kept its first image. */
  error: Schema.optionalKey(JobFailure),
  images: Schema.Array(JobImage)
})
export type JobInfo = typeof JobInfo.Type

const params = { jobId: Schema.String }

export class JobsGroup extends HttpApiGroup.make("jobs")
  .add(
    HttpApiEndpoint.post("submit", "/v1/jobs", {
      query: { model: Schema.optionalKey(Schema.String) },
      headers: { "idempotency-key": Schema.optionalKey(Schema.String) },
      payload: Schema.Struct({ image: Schema.Array(Schema.Unknown) }).pipe(HttpApiSchema.asMultipart()),
      success: JobInfo.pipe(HttpApiSchema.status(202)),
      error: refusals(400, 404, 408, 409, 413, 507)
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Segment images later",
        description:
          "A form with one or more file parts named `image`. Once it is answered the job is done, whatever becomes of " +
          "the server meanwhile. The same `Idempotency-Key` gives the same job, and never a second one."
      })
    )
  )
  .add(
    HttpApiEndpoint.get("status", "/v1/jobs/:jobId", {
      params,
      success: JobInfo,
      error: refusals(404)
    }).annotateMerge(OpenApi.annotations({ summary: "How far a job is" }))
  )
  .add(
    HttpApiEndpoint.delete("cancel", "/v1/jobs/:jobId", {
      params,
      success: JobInfo,
      error: refusals(404)
    }).annotateMerge(
      OpenApi.annotations({ summary: "End a job. What it has done is kept; one that is over stays as it is" })
    )
  )
  .add(
    HttpApiEndpoint.get("result", "/v1/jobs/:jobId/result", {
      params,
      success: file("application/zip"),
      error: refusals(404, 409)
    }).annotateMerge(
      OpenApi.annotations({
        summary: "All results of a job that is over",
        description:
          "A zip with job.json and, for each image, its label PNG (pixels are class ids) and its JSON as `/v1/segment` " +
          "gives it."
      })
    )
  )
  .add(
    HttpApiEndpoint.get("image", "/v1/jobs/:jobId/images/:index", {
      params: { ...params, index: Schema.String },
      headers: { accept: Schema.optionalKey(Schema.String) },
      success: [SegmentResult, file("image/png")],
      // Besides its own, what kept the image from being segmented.
      error: refusals(404, 406, 409, 400, 413, 415, 502, 504)
    }).annotateMerge(
      OpenApi.annotations({
        summary: "The result of one image, as soon as it is there: JSON, or a label PNG by `Accept`"
      })
    )
  )
  .middleware(Authorization) {}
