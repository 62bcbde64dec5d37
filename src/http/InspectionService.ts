/**
 * The inspection service as a whole: besides single predictions, which any `Transport` gives, its batches, status,
 * models and result files.
 *
 * ```ts
 * import { Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { InspectionService } from "effect-segformer/http"
 *
 * const service = InspectionService.layer({ baseUrl: "http://127.0.0.1:8080" }).pipe(
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * Layer.isLayer(service) // => true
 * ```
 */
import { type Config, Context, Duration, Effect, Layer, Schema, type Scope, Stream } from "effect"
import { HttpBody, type HttpClient } from "effect/http"
import {
  type ImageLimits,
  type ImageSource,
  opened,
  type Services,
  type SourceError
} from "../image/ImageSource.ts"
import type { MaskNotDecodable } from "../mask/MaskError.ts"
import type { Attempt } from "../policy/Attempt.ts"
import * as Policy from "../policy/Policy.ts"
import { type PolicyError, TimedOut } from "../policy/PolicyError.ts"
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import type { Prediction } from "../Prediction.ts"
import * as Decode from "../service/Decode.ts"
import * as Exchange from "../service/Exchange.ts"
import type { InvalidUrl, ServiceError } from "../service/ServiceError.ts"
import { watched } from "./Sending.ts"
import type { Health } from "../Transport.ts"
import * as Inspection from "./protocol/Inspection.ts"
import { ok, readError } from "./protocol/InspectionReading.ts"
import { own, span, type SpanName } from "../TelemetryNames.ts"
import * as Wrapped from "../policy/Wrapped.ts"

/** What the service tells of itself and its models: an object whose fields it does not promise. */
export type Details = Readonly<Record<string, unknown>>

export type ModelName = "segformer" | "oneformer"

export interface InspectionServiceOptions extends Exchange.ExchangeOptions {
  /** Changes to `Policy.standard`. */
  readonly policy?: Policy.PolicyOptions | undefined
  /** Checked against each image's header before anything is sent. */
  readonly imageLimits?: Partial<ImageLimits> | undefined
}

const decodeDetails = Decode.schema(Schema.Record(Schema.String, Schema.Unknown))
const decodeSwitch = Decode.schema(
  Schema.Struct({ success: Schema.Literal(true), current_model: Schema.String })
)

/** How sending an image fails. */
export type UploadError = SourceError | MaskNotDecodable

/** The inspection service, route by route. */
export class InspectionService extends Context.Service<
  InspectionService,
  {
    /** `POST /upload`: one image. */
    readonly upload: <S extends ImageSource<unknown>>(
      source: S
    ) => Effect.Effect<Prediction, UploadError, Services<S>>
    /** `POST /upload/batch`: several images in one request, each with its own result. */
    readonly uploadBatch: <S extends ImageSource<unknown>>(
      sources: ReadonlyArray<S>
    ) => Effect.Effect<Inspection.Batch, UploadError, Services<S>>
    /** `GET /health`: not healthy while no model is loaded, though its status is 200. */
    readonly health: Effect.Effect<Health, ServiceError | PolicyError>
    /** `GET /api/status`. */
    readonly status: Effect.Effect<Details, ServiceError | PolicyError>
    /** `GET /api/model/current`: fails with `ModelLoading` while none is loaded. */
    readonly currentModel: Effect.Effect<Details, ServiceError | PolicyError>
    /** `GET /api/model/available`. */
    readonly availableModels: Effect.Effect<Details, ServiceError | PolicyError>
    /** `POST /api/model/switch`; gives the model that is current afterwards. Repeated only if it was never sent. */
    readonly switchModel: (model: ModelName) => Effect.Effect<string, ServiceError | PolicyError>
    /** `GET /download/{path}`: a result file, as it comes. A body that stalls for `attemptTimeout` is `TimedOut`. */
    readonly download: (path: string) => Stream.Stream<Uint8Array, ServiceError | PolicyError>
    /** `GET /download/batch/{id}`: the results of a batch as a zip, as it comes. */
    readonly downloadBatch: (batchId: string) => Stream.Stream<Uint8Array, ServiceError | PolicyError>
  }
>()("effect-segformer/http/InspectionService") {
  static readonly make = Effect.fnUntraced(function* (
    options: InspectionServiceOptions
  ): Effect.fn.Return<InspectionService["Service"], InvalidUrl, HttpClient.HttpClient | Scope.Scope> {
    const exchange = yield* Exchange.make(options)
    const runner = yield* PolicyRunner.make({
      service: exchange.service,
      key: exchange.origin,
      policy: Policy.make(options.policy ?? {})
    })
    // How the service is must be asked also while its circuit is open.
    const questions = yield* PolicyRunner.make({
      service: exchange.service,
      policy: Policy.make({ attemptTimeout: Duration.seconds(5), retry: false, breaker: false })
    })
    const run = <A, E extends PolicyRunner.Failure>(
      attempt: (attempt: Attempt) => Effect.Effect<A, E>,
      options?: PolicyRunner.RunOptions<A, E>
    ) => Effect.map(runner.run(attempt, options), (outcome) => outcome.value)

    const send = (call: Exchange.Call, attempt: Attempt): Effect.Effect<Exchange.Answer, ServiceError> =>
      Effect.flatMap(exchange.send(call, attempt), ok)

    const details = (path: string) =>
      run((attempt) =>
        Effect.tap(send({ method: "GET", path }, attempt), Inspection.refuseReported).pipe(
          Effect.flatMap((answer) => decodeDetails(answer))
        )
      )

    const open = <S extends ImageSource<unknown>>(sources: ReadonlyArray<S>) =>
      Effect.forEach(sources, (source) => opened(source, options.imageLimits))

    const form = <A>(
      part: string,
      path: string,
      decode: (
        answer: Exchange.Answer,
        sentAs: ReadonlyMap<string, string>
      ) => Effect.Effect<A, ServiceError | MaskNotDecodable>
    ) =>
      Effect.fnUntraced(function* <S extends ImageSource<unknown>>(sources: ReadonlyArray<S>) {
        const images = yield* open(sources)
        return yield* run((attempt) =>
          watched(images, (images) => {
            const sentAs = new Map<string, string>()
            return Inspection.encodeForm(part, path, images, sentAs).pipe(
              Effect.flatMap((call) => send(call, attempt)),
              Effect.flatMap((answer) => decode(answer, sentAs))
            )
          })
        )
      })
    const uploadOne = form("image", "/upload", (answer) => Inspection.decode(answer))
    const uploadMany = form("images", "/upload/batch", (answer, sentAs) =>
      Effect.map(Inspection.decodeBatchAnswer(answer), (batch) => ({
        ...batch,
        // By the names of the images, and not by those of this one request.
        items: batch.items.map((item) => ({
          ...item,
          fileName: (item.fileName === undefined ? undefined : sentAs.get(item.fileName)) ?? item.fileName
        }))
      }))
    )

    const switchModel = (model: ModelName) =>
      run(
        (attempt) =>
          Effect.gen(function* () {
            const answer = yield* send(
              { method: "POST", path: "/api/model/switch", body: HttpBody.jsonUnsafe({ model }) },
              attempt
            )
            yield* Inspection.refuseReported(answer)
            return (yield* decodeSwitch(answer)).current_model
          }),
        // It changes the service: repeated only where the first request provably never left.
        { policy: { resend: "unless-sent" } }
      )

    const refused = (answer: Exchange.Answer) =>
      Exchange.failure(answer, { ...readError(answer), file: true })
    const idle = runner.policy.attemptTimeout

    /** Attempts end where the body begins: a body that breaks cannot be taken back from whoever reads it. */
    const download = (path: string): Stream.Stream<Uint8Array, ServiceError | PolicyError> =>
      Stream.unwrap(
        Effect.map(
          runner.run((attempt) => exchange.open({ method: "GET", path, accept: "*/*" }, attempt, refused)),
          ({ attempts, callId, value: { body } }) =>
            idle === undefined
              ? body
              : Stream.timeoutOrElse(body, {
                  duration: idle,
                  orElse: () =>
                    Stream.fail(
                      new TimedOut({
                        service: exchange.service + path,
                        kind: "attempt",
                        phase: "receiving",
                        after: idle,
                        attempt: attempts,
                        requestId: callId
                      })
                    )
                })
        )
      )

    const spanned = <A, E, R>(name: SpanName, self: Effect.Effect<A, E, R>) =>
      self.pipe(span(name, { [own.service]: exchange.service }))

    return InspectionService.of({
      upload: (source) => spanned("InspectionService.upload", uploadOne([source])),
      uploadBatch: (sources) => spanned("InspectionService.upload", uploadMany(sources)),
      health: Effect.map(
        questions.run((attempt) =>
          Effect.flatMap(
            exchange.send(Inspection.protocol.health.call, attempt),
            Inspection.protocol.health.read
          )
        ),
        (outcome) => outcome.value
      ),
      status: details("/api/status"),
      currentModel: details("/api/model/current"),
      availableModels: details("/api/model/available"),
      switchModel: (model) => spanned("InspectionService.switchModel", switchModel(model)),
      download: (path) => download(`/download/${escapePath(path)}`),
      downloadBatch: (batchId) => download(`/download/batch/${escapeSegment(batchId)}`)
    })
  })

  static readonly layer = (
    options: InspectionServiceOptions
  ): Layer.Layer<InspectionService, InvalidUrl, HttpClient.HttpClient> =>
    Layer.effect(InspectionService, InspectionService.make(options))

  /** The same, with its options from configuration: a `Config` for each. */
  static readonly layerConfig = (
    config: Wrapped.Wrap<InspectionServiceOptions>
  ): Layer.Layer<InspectionService, InvalidUrl | Config.ConfigError, HttpClient.HttpClient> =>
    Layer.unwrap(Effect.map(Wrapped.unwrap<InspectionServiceOptions>(config), InspectionService.layer))
}

/** `.` and `..` are escaped twice: a URL would otherwise resolve them to another route. */
const escapeSegment = (segment: string): string =>
  segment === "." || segment === ".."
    ? segment.replaceAll(".", "%252E")
    : encodeURIComponent(segment.replaceAll(/\p{Surrogate}/gu, "\ufffd"))

const escapePath = (path: string): string =>
  path
    .split("/")
    .filter((segment) => segment !== "")
    .map(escapeSegment)
    .join("/")
