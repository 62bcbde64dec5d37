/**
 * A wire protocol as a value: how to ask a service for a prediction, how to read its answer and its errors, and how
 * to ask whether it is ready and which model it has. Everything else (limits, time-outs, retries, secrets) is the
 * same for each, and not its concern.
 */
import type { Effect, Redacted } from "effect"
import type { ImageError } from "../../image/ImageError.ts"
import type { Image } from "../../image/ImageSource.ts"
import type { MaskNotDecodable } from "../../mask/MaskError.ts"
import type { Prediction } from "../../Prediction.ts"
import type { SegmentationError } from "../../SegmentationError.ts"
import type { Policy, PolicyOptions } from "../../policy/Policy.ts"
import type { Attempt } from "../../policy/Attempt.ts"
import type { Answer, Call, ErrorBody, Exchange } from "../../service/Exchange.ts"
import type { Hosts } from "../../service/Hosts.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import type { Health, ModelDescription } from "../../Transport.ts"
import type { CodeNotLoaded } from "../../service/CodeNotLoaded.ts"

export type { ErrorBody }

/** A question to a service and how to read its answer, whatever its status. */
export interface Question<A> {
  readonly call: Call
  readonly read: (answer: Answer) => Effect.Effect<A, ServiceError>
}

/** What every protocol has, however it predicts. */
interface Common {
  /** As in configuration, such as `inspection`. */
  readonly name: string
  /** What the body of a failed request says. It never fails: a body that cannot be read says nothing. */
  readonly readError: (answer: Answer) => ErrorBody | Effect.Effect<ErrorBody, CodeNotLoaded>
  /**
   * What suits services of this kind, or the one at this address, where it is other than `Policy.standard`. The user's
   * own goes before it.
   */
  readonly policy?: PolicyOptions | ((service: URL) => PolicyOptions) | undefined
  /** Secrets that travel in bodies: no error says them, as it says no key of the transport's. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
  readonly health: Question<Health>
  /** A question, or what is known of the model beforehand where the service does not say. */
  readonly describe: Question<ModelDescription> | ModelDescription
  /**
   * Where images are sent. Asked there without one, a service says whether it lets this caller in, and has the route.
   */
  readonly entry?: Pick<Call, "method" | "path" | "body"> | undefined
}

/** A prediction is one request and its answer. */
export interface RequestProtocol extends Common {
  /** The request for one image. Fails where the service would not take the image. */
  readonly encode: (image: Image) => Effect.Effect<Call, ImageError>
  /** The prediction in an answer whose status is a success. */
  readonly decode: (
    answer: Answer,
    image: Image,
    /** Gets a file that the answer names, from the service's own origin or one of `hosts`. */
    getFile?: (address: string) => Effect.Effect<Answer, ServiceError>
  ) => Effect.Effect<Prediction, ServiceError | MaskNotDecodable>
  /** Hosts besides the service's own that may be asked for files. None by default. */
  readonly hosts?: Hosts | undefined
  readonly predict?: undefined
}

/** A prediction takes more than one request: the model's metadata is asked for first, or it is a job. */
export interface AttemptProtocol extends Common {
  /** The whole of one attempt. */
  readonly predict: (
    exchange: Exchange,
    image: Image,
    attempt: Attempt,
    policy: Policy
  ) => Effect.Effect<Prediction, SegmentationError>
  /**
   * An attempt is a job of many requests, and must not be repeated as a whole: `predict` gets the policy for each of
   * them, and what is around it neither retries nor limits an attempt. Off by default.
   */
  readonly isJob?: boolean | undefined
}

/** What a service speaks, as a value: either kind. */
export type Protocol = RequestProtocol | AttemptProtocol
