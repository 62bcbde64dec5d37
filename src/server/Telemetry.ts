/**
 * Traces, logs and metrics by OTLP over HTTP, as OpenTelemetry's environment variables say: nothing is sent unless
 * `OTEL_EXPORTER_OTLP_ENDPOINT` (or that of one signal) is set. `OTEL_SERVICE_NAME` is `segformer` by default; of
 * `OTEL_EXPORTER_OTLP_PROTOCOL`, `http/protobuf` (the default) and `http/json` are understood.
 *
 * A caller's `traceparent` is the parent of a request's span, whether it is sent on or not.
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Telemetry } from "effect-segformer/server"
 *
 * Layer.isLayer(Telemetry.layer) // => true
 * ```
 */
import { Config, ConfigProvider, Effect, Layer } from "effect"
import type { HttpClient } from "effect/http"
import { Otlp, OtlpSerialization } from "effect/observability"
import { version } from "../version.ts"

/** Whether any signal is to be sent. */
export const isEnabled: Effect.Effect<boolean> = Effect.gen(function* () {
  const names = ["", "_TRACES", "_LOGS", "_METRICS"].map((signal) => `OTEL_EXPORTER_OTLP${signal}_ENDPOINT`)
  const values = yield* Effect.forEach(names, (name) => Config.option(Config.String(name)))
  return values.some((value) => value._tag === "Some" && value.value.trim() !== "")
}).pipe(Effect.orElseSucceed(() => false))

/** Each signal goes by OTLP unless the environment says otherwise (`OTEL_TRACES_EXPORTER=none`), as OpenTelemetry has it. */
const defaults = ConfigProvider.layerAdd(
  ConfigProvider.fromEnv({
    env: {
      OTEL_SERVICE_NAME: "segformer",
      OTEL_SERVICE_VERSION: version,
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_LOGS_EXPORTER: "otlp",
      OTEL_METRICS_EXPORTER: "otlp"
    }
  })
)

/** Exporters as the environment says. What is still to be sent goes when the layer's scope ends. */
export const layer: Layer.Layer<never, Config.ConfigError, HttpClient.HttpClient> = Layer.unwrap(
  Effect.gen(function* () {
    if (!(yield* isEnabled)) return Layer.empty
    const protocol = yield* Config.Literals(
      ["http/protobuf", "http/json"],
      "OTEL_EXPORTER_OTLP_PROTOCOL"
    ).pipe(Config.withDefault("http/protobuf"))
    const serialization =
      protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf
    // Beside the log on the terminal, and not instead of it.
    return Otlp.layerFromConfig({ loggerMergeWithExisting: true }).pipe(
      Layer.provide([serialization, defaults])
    )
  })
)
