/**
 * A request that is not answered as asked: a status, a sentence for the caller, and what the log should say. Each
 * dialect writes it in its own form.
 *
 * Callers are told what they can act on. What is wrong inside (paths, models, other services) is for the log.
 */
import { Duration, Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import type { SegmentationError } from "../SegmentationError.ts"
import { errorHeader } from "../service/ServiceError.ts"
import { RefusalStatus, words } from "./RefusalStatus.ts"

export class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {
  status: RefusalStatus,
  /** One sentence for the caller. */
  detail: Schema.String,
  /** For the log, where it knows more than the caller may. */
  internal: Schema.optional(Schema.String),
  retryAfter: Schema.optional(Schema.DurationFromMillis),
  /** Why it may go well later: the model is not loaded yet, or there is too much to do. Some protocols tell them apart. */
  reason: Schema.optional(Schema.Literals(["loading", "busy"])),
  /** Methods of the route, for a 405. */
  allow: Schema.optional(Schema.String),
  /** Encodings that a body may have, for a 415 of one that has another. */
  acceptEncoding: Schema.optional(Schema.String),
  /** What went wrong, for programs: the tag of the error it comes from. */
  tag: Schema.optional(Schema.String),
  /** Where the fault lies, as the error it comes from has it. */
  concerns: Schema.optional(Schema.Literals(["image", "service", "model", "caller"]))
}) {
  override get message(): string {
    return this.internal ?? this.detail
  }
}

/** What only the log may know goes there. */
export const noted = ({ internal, status }: Refusal): Effect.Effect<void> =>
  status >= 500 && internal !== undefined ? Effect.logWarning(internal) : Effect.void

/** What a module says that was there when this program started, and is not now, or is that of another version. */
const isReplaced = (defect: unknown): boolean =>
  defect instanceof Error &&
  /^Cannot find module ['"](?:[/\\]|file:|[a-z]:)|^Module not found "file:|does not provide an export named/i.test(
    defect.message
  )

/** What is answered where nobody knew that it could go wrong: the log says what it was, of `what`. */
export const ofDefect = (what: string, defect: unknown, detail = "The service failed. Its log says why") => {
  const replaced = isReplaced(defect)
  const why = replaced
    ? "since a module of this program is gone or another: it was updated while it runs. Restart it"
    : "by a defect"
  return Effect.as(
    Effect.logError(`${what} failed ${why}`, defect),
    replaced
      ? new Refusal({ status: 503, detail: "The service was updated while it runs, and must be restarted" })
      : new Refusal({ status: 500, detail })
  )
}

/** The answer that says it, its body in a dialect's own form, its status where that has another one for it. */
export const answer = (refusal: Refusal, body: unknown, status: number = refusal.status) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: headersOf(refusal) })

/** Headers that go with it in any dialect. */
const headersOf = (refusal: Refusal): Record<string, string> => ({
  [errorHeader]: tagOf(refusal),
  ...(refusal.retryAfter === undefined
    ? {}
    : { "retry-after": String(Math.max(1, Math.ceil(Duration.toSeconds(refusal.retryAfter)))) }),
  ...(refusal.allow === undefined ? {} : { allow: refusal.allow }),
  ...(refusal.acceptEncoding === undefined ? {} : { "accept-encoding": refusal.acceptEncoding }),
  ...(refusal.status === 401 ? { "www-authenticate": "Bearer" } : {})
})

/** What went wrong in one word, for programs. */
export const tagOf = ({ reason, status, tag }: Refusal): string =>
  tag ?? (reason === "busy" ? "QueueFull" : words[status])

const soon = Duration.seconds(1)

/** What a failed segmentation is to a caller. */
export const fromError = (error: SegmentationError): Refusal => {
  const { message } = error
  const refuse = (
    status: RefusalStatus,
    detail: string,
    retryAfter?: Duration.Duration,
    reason?: Refusal["reason"]
  ) =>
    new Refusal({
      status,
      detail,
      internal: message,
      retryAfter,
      reason,
      tag: error._tag,
      concerns: error.concerns
    })
  switch (error._tag) {
    case "NotAnImage":
    case "ImageNotFound":
    case "ImageNotReadable":
      return refuse(400, message)
    case "UnsupportedImage":
      return refuse(415, message)
    case "ImageTooLarge":
      return refuse(
        413,
        `${error.source} has ${error.actual} ${error.measure}, and this service takes at most ${error.limit}`
      )
    case "ModelNotLoadable":
      return refuse(503, "The model is not loaded")
    case "ModelLoading":
      return refuse(503, "The model is not loaded yet", error.retryAfter ?? soon, "loading")
    case "QueueFull":
    case "RateLimited":
      return refuse(503, "The service is busy. Try again shortly", retryAfterOf(error) ?? soon, "busy")
    case "CircuitOpen":
    case "RetryBudgetSpent":
    case "ConnectionFailed":
    case "ServiceUnavailable":
    case "ServiceFailed":
      return refuse(
        503,
        "The segmenter behind this service cannot be reached now",
        retryAfterOf(error) ?? soon
      )
    case "TimedOut":
      return refuse(504, "Segmenting the image took too long")
    case "RequestRejected":
      // The service behind this one looked at the image, and says why it does not take it.
      if (error.status === 413 || error.status === 415)
        return refuse(error.status, "The segmenter behind this service does not take this image")
      return error.isTransient
        ? refuse(503, "The segmenter behind this service cannot be reached now", soon)
        : refuse(502, "The segmenter behind this service refuses the request")
    case "ReportedFailure":
      return refuse(502, `The segmenter behind this service failed on the image: ${error.detail}`)
    case "InvalidUrl":
    case "Unauthorized":
    case "NotFound":
    case "ResponseNotDecodable":
    case "ResponseTooLarge":
    case "RedirectRefused":
    case "MaskNotDecodable":
    case "JobCancelled":
    case "JobFailed":
    case "UnknownJobStatus":
      return refuse(502, "The segmenter behind this service gave no usable answer")
    case "NoLabelMap":
      return refuse(502, "The segmenter behind this service gave no label map")
    case "DependencyMissing":
      return refuse(500, "This service lacks a package it needs. Its log says which")
    case "CodeNotLoaded":
      return refuse(
        500,
        "This service was replaced since it started, and must be started again. Its log says why"
      )
    case "InferenceFailed":
      return refuse(500, "The model failed on this image")
  }
}

const retryAfterOf = (error: SegmentationError): Duration.Duration | undefined =>
  "retryAfter" in error ? error.retryAfter : undefined

/** Nothing of this name. */
export const notFound = (detail: string): Refusal => new Refusal({ status: 404, detail })
/** A request that no repetition makes better. */
export const bad = (detail: string): Refusal => new Refusal({ status: 400, detail })

/** More images in a request than may be. */
export const tooMany = (maxImages: number): Refusal =>
  new Refusal({ status: 413, detail: `This service takes at most ${maxImages} images at once` })
