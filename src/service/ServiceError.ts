/**
 * Every way a call to an HTTP service fails, as tagged errors that say what happened, where, and what to do.
 *
 * `service` is the origin and path called, without query; `requestId` the id the service gave, or ours.
 */
import { Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import { said, wait } from "../ErrorKind.ts"
import { CodeNotLoaded } from "./CodeNotLoaded.ts"
import {
  ConnectionFailed,
  excerpt,
  InvalidUrl,
  origin,
  ResponseNotDecodable,
  ResponseTooLarge,
  tracked
} from "./WireError.ts"

export { CodeNotLoaded, ConnectionFailed, excerpt, InvalidUrl, ResponseNotDecodable, ResponseTooLarge }

const answer = {
  ...origin,
  /** The HTTP status. */
  status: Schema.Int,
  /** What the service said of it, at most 200 characters. */
  detail: Schema.String,
  /** The service's own code (`error_code`, `errorCode`, `code`), at most 200 characters. */
  code: Schema.optional(Schema.String)
}

const timed = { ...answer, retryAfter: Schema.optional(Schema.DurationFromMillis) }

const unworked = ErrorKind.make({
  concerns: "service",
  isRetryable: true,
  isTransient: true,
  wasRefused: true
})

/** 429: the service takes no more requests for now. No work was done for it. */
export class RateLimited extends unworked<RateLimited>()("RateLimited", timed) {
  override get message(): string {
    return `${this.service} limits how often it may be called (${this.status})${said(this.detail)}${wait(this)}${tracked(this)}`
  }
}

/** 502, 503 or 504: the service, or the gateway before it, cannot answer for now. */
export class ServiceUnavailable extends ErrorKind.passing<ServiceUnavailable>()("ServiceUnavailable", timed) {
  /** A service that says when to come back has done nothing; one that does not may be a gateway that lost the answer. */
  get wasRefused(): boolean {
    return this.status === 503 && this.retryAfter !== undefined
  }
  override get message(): string {
    return `${this.service} is not available (${this.status})${said(this.detail)}${wait(this)}${tracked(this)}`
  }
}

/** The service is up, but its model is still loading or none is loaded: no work was done. */
export class ModelLoading extends unworked<ModelLoading>()("ModelLoading", timed) {
  override get message(): string {
    return `${this.service} has not loaded its model yet (${this.status})${said(this.detail)}${wait(this)}${tracked(this)}`
  }
}

/** 401 or 403: who asks is not known, or may not. */
export class Unauthorized extends ErrorKind.ofCaller<Unauthorized>()("Unauthorized", answer) {
  override get message(): string {
    return `${this.service} does not let this caller in (${this.status})${said(this.detail)}. Check its API key${tracked(this)}`
  }
}

/** 404 or 410: nothing answers at this path. */
export class NotFound extends ErrorKind.ofService<NotFound>()("NotFound", {
  ...answer,
  /** It was a file that the service had named itself. */
  file: Schema.optional(Schema.Boolean)
}) {
  override get message(): string {
    const hint =
      this.file === true
        ? "The file is gone: services keep results for a while only. Ask for it again"
        : "Check the base URL, the protocol and the name of the model"
    return `Nothing at ${this.service} (${this.status})${said(this.detail)}. ${hint}${tracked(this)}`
  }
}

/** What is wrong with an image, as the room of images calls it: a server of this package that answers 400 says so. */
const ofImages: ReadonlySet<string> = new Set([
  "ImageNotReadable",
  "ImageTooLarge",
  "NotAnImage",
  "UnsupportedImage"
])

/** The header by which a server of this package says what went wrong, in any protocol. */
export const errorHeader = "x-segformer-error"

/** Another 4xx: the service refuses this request. 408 and 425 may be tried again, the others not. */
export class RequestRejected extends Schema.TaggedError<RequestRejected>()("RequestRejected", timed) {
  /** No work was done for it. */
  get wasRefused(): boolean {
    return true
  }
  get isRetryable(): boolean {
    return this.status === 408 || this.status === 425
  }
  /** 413 and 415 are said of the image, and what a server of this package calls by the name of an image's error. */
  get concerns(): "image" | "service" {
    const isOfImage = this.code !== undefined && ofImages.has(this.code)
    return isOfImage || this.status === 413 || this.status === 415 ? "image" : "service"
  }
  get isTransient(): boolean {
    return this.isRetryable
  }
  override get message(): string {
    return `${this.service} refuses the request (${this.status})${said(this.detail)}${tracked(this)}`
  }
}

/** Another 5xx: the service broke over this request. */
export class ServiceFailed extends ErrorKind.passing<ServiceFailed>()("ServiceFailed", timed) {
  override get message(): string {
    return `${this.service} failed (${this.status})${said(this.detail)}${wait(this)}${tracked(this)}`
  }
}

/** The service answered with success as status and failure as content (`success: false` in a 200). Not retried: it worked on the request and says it cannot, and asking again may be paid again. */
export class ReportedFailure extends ErrorKind.ofService<ReportedFailure>()("ReportedFailure", answer) {
  override get message(): string {
    return `${this.service} reports a failure in its answer${said(this.detail)}${tracked(this)}`
  }
}

/** The service answered with a redirect that the rules do not follow. */
export class RedirectRefused extends ErrorKind.ofService<RedirectRefused>()("RedirectRefused", {
  ...origin,
  status: Schema.Int,
  /** Origin and path of the target, without query. */
  location: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.service} redirects (${this.status}) to ${this.location}: ${this.detail}${tracked(this)}`
  }
}

/**
 * What was to be sent is none that the contract allows, and nothing was sent. Only calls through a contract fail so
 * (`ServiceClient`); it is no {@link ServiceError}.
 */
export class RequestInvalid extends ErrorKind.ofCaller<RequestInvalid>()("RequestInvalid", {
  service: Schema.String,
  /** The field, such as `payload.email`; empty where the whole is meant. */
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    const where = this.path === "" ? "" : ` at \`${this.path}\``
    return `The request for ${this.service} does not fit its contract${where}${said(this.detail)}`
  }
}

export const ServiceError = Schema.Union([
  InvalidUrl,
  ConnectionFailed,
  RateLimited,
  ServiceUnavailable,
  ModelLoading,
  Unauthorized,
  NotFound,
  RequestRejected,
  ServiceFailed,
  ReportedFailure,
  ResponseNotDecodable,
  ResponseTooLarge,
  RedirectRefused,
  CodeNotLoaded
])
/** Every way a call to an HTTP service fails. */
export type ServiceError =
  | InvalidUrl
  | ConnectionFailed
  | RateLimited
  | ServiceUnavailable
  | ModelLoading
  | Unauthorized
  | NotFound
  | RequestRejected
  | ServiceFailed
  | ReportedFailure
  | ResponseNotDecodable
  | ResponseTooLarge
  | RedirectRefused
  | CodeNotLoaded
