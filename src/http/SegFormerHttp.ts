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
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import type { Prediction } from "../Prediction.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import * as Exchange from "../service/Exchange.ts"
import type { InvalidUrl } from "../service/ServiceError.ts"
import { Transport } from "../Transport.ts"
import * as Inspection from "./protocol/Inspection.ts"
import type { Protocol, Question } from "./protocol/Protocol.ts"
import { watched } from "./Sending.ts"

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
export const make = Effect.fnUntraced(function* (
  options: SegFormerHttpOptions
): Effect.fn.Return<Transport["Service"], InvalidUrl, HttpClient.HttpClient | Scope.Scope> {
  const exchange = yield* Exchange.make(options)
  const protocol = options.protocol ?? Inspection.protocol
  const suits =
    typeof protocol.policy === "function" ? protocol.policy(new URL(options.baseUrl)) : protocol.policy
  const policy = Policy.make(options.policy ?? {}, Policy.make(suits ?? {}))

  const attemptOf = (image: Image, attempt: Attempt): Effect.Effect<Prediction, SegmentationError> =>
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
  const isJob = protocol.predict !== undefined && protocol.isJob === true

  // Questions have a policy of their own: how the service is must be asked also while its circuit is open.
  const questions = yield* PolicyRunner.make({ service: exchange.service, policy: questionPolicy })
  const ask = <A>({ call, read }: Question<A>, policy?: Policy.CallPolicyOptions) =>
    Effect.map(
      questions.run((attempt) => Effect.flatMap(exchange.send(call, attempt), read), { policy }),
      (outcome) => outcome.value
    )
  return yield* Transport.make({
    name: exchange.service,
    key: exchange.origin,
    predict: ({ image }, attempt) => watched([image], ([sent = image]) => attemptOf(sent, attempt)),
    describe: "call" in protocol.describe ? ask(protocol.describe) : Effect.succeed(protocol.describe),
    // The question is how the service is now: no second try.
    health: ask(protocol.health, { retry: false }),
    policy: isJob ? Policy.make({ retry: false, attemptTimeout: false }, policy) : policy
  })
})

/** A layer for a service at a known address. */
export const layer = (
  options: SegFormerHttpOptions
): Layer.Layer<Transport, InvalidUrl, HttpClient.HttpClient> => Layer.effect(Transport, make(options))

/**
 * A layer whose options come from configuration: `SegFormerConfig.config` for the fixed names (`SEGFORMER_SERVICE_URL`,
 * `SEGFORMER_PROTOCOL`, `SEGFORMER_API_KEY` and the rest), or a `Config` for each option, under names of one's own. For
 * protocols that send pixels, provide an `ImageCodec` to it; for a `.env` file, `SegFormerConfig.layerDotEnv`.
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
  config: Config.Wrap<SegFormerHttpOptions>
): Layer.Layer<Transport, InvalidUrl | Config.ConfigError, HttpClient.HttpClient> =>
  Layer.effect(Transport, Effect.flatMap(Config.unwrap<SegFormerHttpOptions>(config), make))
