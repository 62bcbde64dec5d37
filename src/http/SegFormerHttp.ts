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
import { Duration, Effect, Layer, Schema, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { Image } from "../image/ImageSource.ts"
import type { Attempt } from "../policy/Attempt.ts"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Policy from "../policy/Policy.ts"
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import type { Prediction } from "../Prediction.ts"
import { SegmentationError } from "../SegmentationError.ts"
import * as Exchange from "../service/Exchange.ts"
import { type Hide, nothing } from "../service/Secrets.ts"
import type { InvalidUrl } from "../service/ServiceError.ts"
import { Transport } from "../Transport.ts"
import * as Inspection from "./protocol/Inspection.ts"
import type { Protocol, Question } from "./protocol/Protocol.ts"
import * as Protocols from "./protocol/Protocols.ts"
import * as SegFormerConfig from "./SegFormerConfig.ts"
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

/** Fields of errors that are ours: where we called, and for what. */
const own = new Set(["_tag", "service", "source", "transport", "model"])

const encodeError = Schema.encodeEffect(SegmentationError)
const decodeError = Schema.decodeUnknownEffect(SegmentationError)

/**
 * Errors are made without our secrets (`Secrets`). A protocol that somebody else wrote may make its own of what it read:
 * they are made again where a secret is in them, stack trace included.
 */
const cleaned = (error: SegmentationError, hide: Hide): Effect.Effect<never, SegmentationError> =>
  Effect.gen(function* () {
    if (hide === nothing) return yield* Effect.fail(error)
    const fields = Object.entries(yield* encodeError(error))
    const clean = fields.map(([name, value]): [string, unknown] =>
      typeof value !== "string" || own.has(name) ? [name, value] : [name, hide(value)]
    )
    const isClean = clean.every(([, value], index) => value === fields[index]?.[1])
    return yield* Effect.fail(isClean ? error : yield* decodeError(Object.fromEntries(clean)))
  }).pipe(Effect.catchTag("SchemaError", () => Effect.fail(error)))

/** The transport, for programs that choose between several. */
export const make = Effect.fnUntraced(function* (
  options: SegFormerHttpOptions
): Effect.fn.Return<Transport["Service"], InvalidUrl, HttpClient.HttpClient | Scope.Scope> {
  const protocol = options.protocol ?? Inspection.protocol
  const exchange = yield* Exchange.make({
    ...options,
    secrets: [...(options.secrets ?? []), ...(protocol.secrets ?? [])]
  })
  const { hide } = exchange
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
    predict: ({ image }, attempt) =>
      watched([image], ([sent = image]) => attemptOf(sent, attempt)).pipe(
        Effect.catch((error) => cleaned(error, hide)),
        Effect.map((prediction) =>
          prediction.requestId === undefined
            ? prediction
            : { ...prediction, requestId: hide(prediction.requestId) }
        )
      ),
    describe: "call" in protocol.describe ? ask(protocol.describe) : Effect.succeed(protocol.describe),
    // The question is how the service is now: no second try.
    health: Effect.map(ask(protocol.health, { retry: false }), ({ detail, healthy }) => ({
      healthy,
      detail: hide(detail)
    })),
    policy: isJob ? Policy.make({ retry: false, attemptTimeout: false }, policy) : policy
  })
})

/** A layer for a service at a known address. */
export const layer = (
  options: SegFormerHttpOptions
): Layer.Layer<Transport, InvalidUrl, HttpClient.HttpClient> => Layer.effect(Transport, make(options))

/**
 * A layer from the environment: `SEGFORMER_SERVICE_URL`, `SEGFORMER_PROTOCOL`, `SEGFORMER_API_KEY` and the rest of
 * `SegFormerConfig`. Options given here go before the environment. For a `.env` file, provide
 * `SegFormerConfig.layerDotEnv` to it; for protocols that send pixels, an `ImageCodec`.
 */
export const layerConfig = (
  options?: Partial<SegFormerHttpOptions>
): Layer.Layer<Transport, InvalidUrl | SegFormerConfig.InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(
    Transport,
    Effect.flatMap(SegFormerConfig.loadFor(options), (config) => {
      const { apiKey, baseUrl, idempotencyHeader, redirects } = config
      return Effect.flatMap(protocolOf(config, options), (protocol) =>
        make({
          ...omitUndefined({
            baseUrl,
            apiKey,
            redirects,
            idempotencyHeader,
            ...omitUndefined(options ?? {})
          }),
          protocol,
          limits: { ...config.limits, ...options?.limits },
          // The parts of a policy that are not given here still come from the environment.
          policy: Policy.merge(options?.policy ?? {}, config.policy)
        })
      )
    })
  )

/** The protocol that is given, else the one that the environment names. */
const protocolOf = (
  { apiKey, model, protocol: name = "inspection" }: SegFormerConfig.SegFormerConfig,
  options: Partial<SegFormerHttpOptions> | undefined
): Effect.Effect<Protocol, SegFormerConfig.InvalidConfig> =>
  options?.protocol !== undefined
    ? Effect.succeed(options.protocol)
    : Effect.mapError(
        Protocols.byName[name]!({ model, apiKey: options?.apiKey ?? apiKey }),
        (lack) => new SegFormerConfig.InvalidConfig({ problems: [lack] })
      )
