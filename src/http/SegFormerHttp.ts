/**
 * A `Transport` that calls a SegFormer service over HTTP, over any `HttpClient`: `NodeHttpClient.layerUndici` on
 * Node, `FetchHttpClient.layer` anywhere.
 *
 * ```ts
 * import { Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { SegFormerHttp } from "effect-segformer/http"
 *
 * const service = SegFormerHttp.layer({ baseUrl: "http://127.0.0.1:8080" }).pipe(
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * Layer.isLayer(service) // => true
 * ```
 */
import { Config, Duration, Effect, Layer, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { Image } from "../image/ImageSource.ts"
import type { Attempt } from "../policy/Attempt.ts"
import * as Policy from "../policy/Policy.ts"
import type { PolicyError } from "../policy/PolicyError.ts"
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import type { Prediction } from "../Prediction.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import * as Exchange from "../service/Exchange.ts"
import type { Hosts } from "../service/Hosts.ts"
import { type Hide, nothing } from "../service/Hiding.ts"
import type { InvalidUrl, ServiceError } from "../service/ServiceError.ts"
import { type Health, type ModelDescription, Transport } from "../Transport.ts"
import type * as Detection from "./Detection.ts"
import * as Inspection from "./protocol/Inspection.ts"
import type { Protocol, Question } from "./protocol/Protocol.ts"
import { watched } from "./Sending.ts"
import * as Wrapped from "../policy/Wrapped.ts"
import { lazily } from "../service/CodeNotLoaded.ts"

export interface SegFormerHttpOptions extends Exchange.ExchangeOptions {
  /**
   * What the service speaks, or how that is found out (`Detection.make`). The inspection service's protocol by default,
   * in which `segformer serve` says all that it does in its own.
   */
  readonly protocol?: Protocol | Detection.Detect | undefined
  /** Changes to `Policy.standard`: 3 retries after 1 s, 2 s and 4 s, and 30 s for each attempt. */
  readonly policy?: Policy.PolicyOptions | undefined
}

/** For questions about the service, which are small and must not wait long. @internal */
export const questionPolicy = Policy.make({
  attemptTimeout: Duration.seconds(5),
  breaker: false,
  retryBudget: false
})

const cleaning = lazily(() => import("./CleanedError.ts"))

/** Fails without our secrets, where there are any. */
const failClean = (error: SegmentationError, hide: Hide): Effect.Effect<never, SegmentationError> =>
  hide === nothing
    ? Effect.fail(error)
    : Effect.flatMap(cleaning, ({ cleaned }) => Effect.fail(cleaned(error, hide)))

/** The transport, for programs that choose between several. */
export const make = Effect.fnUntraced(function* (
  options: SegFormerHttpOptions
): Effect.fn.Return<Transport["Service"], InvalidUrl, HttpClient.HttpClient | Scope.Scope> {
  const spoken = options.protocol ?? Inspection.protocol
  // In plain JavaScript a name, as the command takes it.
  if (typeof spoken === "string")
    throw new RangeError(
      `SegFormerHttp: \`protocol\` must be one such as HuggingFace.protocol, but is "${String(spoken)}"`
    )
  const given = typeof spoken === "function" ? undefined : spoken
  const exchange = yield* Exchange.make({
    ...options,
    secrets: [...(options.secrets ?? []), ...(given?.secrets ?? [])]
  })
  const { hide } = exchange
  const suits = typeof given?.policy === "function" ? given.policy(new URL(options.baseUrl)) : given?.policy
  const policy = Policy.make(options.policy ?? {}, Policy.make(suits ?? {}))
  const protocolFor = (attempt: Attempt): Effect.Effect<Protocol, ServiceError> =>
    typeof spoken === "function" ? spoken(exchange, attempt) : Effect.succeed(spoken)

  const fileOf = (address: string, attempt: Attempt, hosts: Hosts | undefined) =>
    Effect.flatMap(
      // A path is one of the service itself.
      exchange.fetch(URL.canParse(address) ? address : exchange.origin + address, attempt, {
        accept: "image/png, */*;q=0.5",
        hosts
      }),
      (file) => (Exchange.isSuccess(file) ? Effect.succeed(file) : Exchange.failure(file, { file: true }))
    )

  const attemptOf = (
    protocol: Protocol,
    image: Image,
    attempt: Attempt
  ): Effect.Effect<Prediction, SegmentationError> =>
    protocol.predict !== undefined
      ? protocol.predict(exchange, image, attempt, policy)
      : Effect.flatMap(protocol.encode(image), (call) =>
          Effect.flatMap(
            exchange.send(call, attempt),
            (answer): Effect.Effect<Prediction, SegmentationError> =>
              Exchange.isSuccess(answer)
                ? protocol.decode(answer, image, (address) => fileOf(address, attempt, protocol.hosts))
                : Exchange.failure(answer, protocol.readError(answer))
          )
        )
  const isJob = given?.predict !== undefined && given.isJob === true

  // Questions have a policy of their own: how the service is must be asked also while its circuit is open.
  const questions = yield* PolicyRunner.make({ service: exchange.service, policy: questionPolicy })
  const ask = <A>(
    questionOf: (protocol: Protocol) => Question<A> | A,
    policy?: Policy.CallPolicyOptions
  ): Effect.Effect<A, ServiceError | PolicyError> =>
    Effect.map(
      questions.run(
        (attempt) =>
          Effect.flatMap(protocolFor(attempt), (protocol) => {
            const question = questionOf(protocol)
            return isQuestion(question)
              ? Effect.flatMap(exchange.send(question.call, attempt), question.read)
              : Effect.succeed(question)
          }),
        { policy }
      ),
      (outcome) => outcome.value
    )
  return yield* Transport.make({
    name: exchange.service,
    key: exchange.origin,
    predict: ({ image }, attempt) =>
      watched([image], ([sent = image]) =>
        Effect.flatMap(protocolFor(attempt), (protocol) => attemptOf(protocol, sent, attempt))
      ).pipe(
        Effect.catch((error) => failClean(error, hide)),
        Effect.map((prediction) =>
          prediction.requestId === undefined
            ? prediction
            : { ...prediction, requestId: hide(prediction.requestId) }
        )
      ),
    describe:
      given !== undefined && !isQuestion(given.describe)
        ? Effect.succeed(given.describe)
        : ask<ModelDescription>(({ describe }) => describe),
    // The question is how the service is now: no second try.
    health: Effect.map(
      ask<Health>(({ health }) => health, { retry: false }),
      ({ detail, healthy }) => ({ healthy, detail: hide(detail) })
    ),
    policy: isJob ? Policy.make({ retry: false, attemptTimeout: false }, policy) : policy
  })
})

const isQuestion = <A>(value: Question<A> | A): value is Question<A> =>
  typeof value === "object" && value !== null && "call" in value && "read" in value

/** A layer for a service at a known address. */
export const layer = (
  options: SegFormerHttpOptions
): Layer.Layer<Transport, InvalidUrl, HttpClient.HttpClient> => Layer.effect(Transport, make(options))

/**
 * A layer whose options come from configuration: `SegFormerConfig.config` for the fixed names (`SEGFORMER_SERVICE_URL`,
 * `SEGFORMER_PROTOCOL`, `SEGFORMER_API_KEY` and the rest), or a `Config` for each option, under names of one's own. For
 * protocols that send pixels, provide an `ImageCodec` to it; for a `.env` file, `SegFormerConfig.layerDotEnv`.
 *
 * Where `SegFormerConfig.config` finds no protocol named, the service is asked, once: `segformer serve` is spoken to in its
 * own, any other as an inspection service.
 *
 * ```ts
 * import { Config } from "effect"
 * import { SegFormerConfig, SegFormerHttp } from "effect-segformer/http"
 *
 * const service = SegFormerHttp.layerConfig(SegFormerConfig.config)
 * const own = SegFormerHttp.layerConfig({
 *   baseUrl: Config.String("SEGMENTER_URL"),
 *   apiKey: Config.Redacted("SEGMENTER_KEY")
 * })
 * ```
 */
export const layerConfig = (
  config: Wrapped.Wrap<SegFormerHttpOptions>
): Layer.Layer<Transport, InvalidUrl | Config.ConfigError, HttpClient.HttpClient> =>
  Layer.effect(Transport, Effect.flatMap(Wrapped.unwrap<SegFormerHttpOptions>(config), make))
