/**
 * Every way to fail, as one union of tagged errors.
 *
 * Each has typed fields, a `message` that says what happened, where, and what to do, and where known `retryAfter` and
 * `requestId`. Handle the ones you care about by tag; the compiler knows which are left. For programs that only want to
 * know what to do next, each says
 *
 * - `concerns`: where the fault lies, and so who can mend it (see {@link Concern});
 * - `isRetryable`: whether another attempt within this call may help. It is what the policy goes by;
 * - `isTransient`: whether the same call, made again later as it is, may go well. That is all that is retryable, and what
 *   the policy itself turned away and does not wait for: an open circuit, a full queue, a spent retry budget.
 *
 * ```ts
 * import { Duration } from "effect"
 * import { RateLimited } from "effect-segformer"
 *
 * const error = new RateLimited({
 *   service: "http://127.0.0.1:8080/upload",
 *   status: 429,
 *   detail: "",
 *   retryAfter: Duration.seconds(7)
 * })
 * error.concerns // => "service"
 * error.isTransient // => true
 * error.message // => "http://127.0.0.1:8080/upload limits how often it may be called (429). It asks to wait 7s"
 * ```
 */
import { Schema } from "effect"
import { DependencyMissing, ImageError } from "./image/ImageError.ts"
import { JobError } from "./jobs/JobError.ts"
import { MaskNotDecodable } from "./mask/MaskError.ts"
import { InferenceFailed, ModelNotLoadable } from "./ModelError.ts"
import { NoLabelMap } from "./NoLabelMap.ts"
import { PolicyError } from "./policy/PolicyError.ts"
import { ServiceError } from "./service/ServiceError.ts"

export const SegmentationError = Schema.Union([
  ...ImageError.members,
  ...ServiceError.members,
  ...PolicyError.members,
  DependencyMissing,
  ModelNotLoadable,
  InferenceFailed,
  MaskNotDecodable,
  NoLabelMap,
  ...JobError.members
])
/** Every way in which turning an image into a segmentation fails. Written out, so that editors show it by its name. */
export type SegmentationError =
  | ImageError
  | ServiceError
  | PolicyError
  | DependencyMissing
  | ModelNotLoadable
  | InferenceFailed
  | MaskNotDecodable
  | NoLabelMap
  | JobError

/**
 * Where a fault lies: `"image"` in this image, and the next one may go well; `"service"` in what is asked, or its answer;
 * `"model"` in a model that runs in this process; `"caller"` in the program that asks: its addresses, keys and packages,
 * or how much it asks at once.
 */
export type Concern = SegmentationError["concerns"]

export * from "./ModelError.ts"
export * from "./NoLabelMap.ts"
export * from "./image/ImageError.ts"
export { JobCancelled, JobFailed, UnknownJobStatus } from "./jobs/JobError.ts"
export { MaskNotDecodable } from "./mask/MaskError.ts"
export * from "./policy/PolicyError.ts"
export {
  CodeNotLoaded,
  ConnectionFailed,
  InvalidUrl,
  ModelLoading,
  NotFound,
  RateLimited,
  RedirectRefused,
  ReportedFailure,
  RequestRejected,
  ResponseNotDecodable,
  ResponseTooLarge,
  ServiceError,
  ServiceFailed,
  ServiceUnavailable,
  Unauthorized
} from "./service/ServiceError.ts"
