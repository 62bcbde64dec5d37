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
import { Duration, Effect, Layer, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { Image } from "../image/ImageSource.ts"
import type { Attempt } from "../policy/Attempt.ts"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Policy from "../policy/Policy.ts"
import type { PolicyError } from "../policy/PolicyError.ts"
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import type { Prediction } from "../Prediction.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import * as Exchange from "../service/Exchange.ts"
import type { InvalidUrl, ServiceError } from "../service/ServiceError.ts"
import { type Health, type ModelDescription, Transport } from "../Transport.ts"
import * as Detection from "./Detection.ts"
import * as Inspection from "./protocol/Inspection.ts"
import type { Protocol, Question } from "./protocol/Protocol.ts"
import * as SegFormerConfig from "./SegFormerConfig.ts"
import { watched } from "./Sending.ts"
import type { ServiceSettings } from "./ServiceSettings.ts"

export interface SegFormerHttpOptions extends Exchange.ExchangeOptions {
  /** What the service speaks. The inspection service's protocol by default. */
  readonly protocol?: Protocol | undefined
  /** Changes to `Policy.standard`: 3 retries after 1 s, 2 s and 4 s, and 30 s for each attempt. */
  readonly policy?: Policy.PolicyOptions | undefined
}

/** For questions about the service, which are small and must not wait long. */
const questionPolicy = Policy.make({
  attemptTimeout: Duration.seconds(5),
  breaker: false,
  retryBudget: false
})

/** The transport, for programs that choose between several. */
export const make = (
  options: SegFormerHttpOptions
): Effect.Effect<Transport["Service"], InvalidUrl, HttpClient.HttpClient | Scope.Scope> =>
  makeFor(options, options.protocol ?? Inspection.protocol)

/** The same, for a protocol that is found out where none is given. */
const makeFor = Effect.fnUntraced(function* (
  options: Omit<SegFormerHttpOptions, "protocol">,
  spoken: Protocol | Detection.Detect
): Effect.fn.Return<Transport["Service"], InvalidUrl, HttpClient.HttpClient | Scope.Scope> {
  const exchange = yield* Exchange.make(options)
  const given = typeof spoken === "function" ? undefined : spoken
  const suits = typeof given?.policy === "function" ? given.policy(new URL(options.baseUrl)) : given?.policy
  const policy = Policy.make(options.policy ?? {}, Policy.make(suits ?? {}))
  const protocolFor = (attempt: Attempt): Effect.Effect<Protocol, ServiceError> =>
    typeof spoken === "function" ? spoken(exchange, attempt) : Effect.succeed(spoken)

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
                ? protocol.decode(answer, image)
                : Exchange.failure(answer, protocol.readError(answer))
          )
        )
  const isJob = given?.predict !== undefined && given.isJob === true
  const predictMany = given?.predictMany

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
      ),
    predictMany:
      predictMany === undefined
        ? undefined
        : (requests, attempt) =>
            watched(
              requests.map(({ image }) => image),
              (images) => predictMany(exchange, images, attempt)
            ),
    describe:
      given !== undefined && !isQuestion(given.describe)
        ? Effect.succeed(given.describe)
        : ask<ModelDescription>(({ describe }) => describe),
    // The question is how the service is now: no second try.
    health: ask<Health>(({ health }) => health, { retry: false }),
    policy: isJob ? Policy.make({ retry: false, attemptTimeout: false }, policy) : policy
  })
})

const isQuestion = <A>(value: Question<A> | A): value is Question<A> =>
  typeof value === "object" && value !== null && "call" in value && "read" in value

/** A layer for a service at a known address. */
export const layer = (
  options: SegFormerHttpOptions
): Layer.Layer<Transport, InvalidUrl, HttpClient.HttpClient> => Layer.effect(Transport, make(options))

/** What a program gives, for what the environment would say. */
export interface LayerConfigOptions extends Partial<SegFormerHttpOptions> {
  /** Such as a settings file has (`ServiceSettings.load`): they go before the environment. */
  readonly settings?: ServiceSettings | undefined
}

/** The transport that {@link layerConfig} is a layer of. */
export const makeConfig = Effect.fnUntraced(function* (
  options?: LayerConfigOptions
): Effect.fn.Return<
  Transport["Service"],
  InvalidUrl | SegFormerConfig.InvalidConfig,
  HttpClient.HttpClient | Scope.Scope
> {
  const { protocol, settings, ...given } = options ?? {}
  const config = yield* SegFormerConfig.loadFor({
    baseUrl: given.baseUrl,
    protocol: protocol?.name,
    settings
  })
  const { apiKey, baseUrl, headers, idempotencyHeader, redirects } = config
  return yield* makeFor(
    {
      ...omitUndefined({ baseUrl, apiKey, redirects, idempotencyHeader, ...omitUndefined(given) }),
      headers: { ...headers, ...given.headers },
      limits: { ...config.limits, ...given.limits },
      // The parts of a policy that are not given here still come from the environment.
      policy: Policy.merge(given.policy ?? {}, config.policy)
    },
    protocol ?? (yield* SegFormerConfig.protocolOf(config, given.apiKey))
  )
})

/**
 * A layer from the environment: `SEGFORMER_SERVICE_URL`, `SEGFORMER_PROTOCOL`, `SEGFORMER_API_KEY` and the rest of
 * `SegFormerConfig`. Options given here go before the environment. For a `.env` file, provide
 * `SegFormerConfig.layerDotEnv` to it; for protocols that send pixels, an `ImageCodec`.
 *
 * Where nobody names a protocol the service is asked, once: `segformer serve` is spoken to in its own, any other as
 * an inspection service.
 */
export const layerConfig = (
  options?: LayerConfigOptions
): Layer.Layer<Transport, InvalidUrl | SegFormerConfig.InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(Transport, makeConfig(options))
