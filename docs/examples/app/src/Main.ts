/** What every program of the application stands on: the segmenter, configuration from the environment, telemetry. */
import { NodeFileSystem } from "@effect/platform-node"
import { Config, Layer } from "effect"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { Telemetry } from "effect-segformer/server"
import { NodeHttp } from "effect-segformer/service/node"
import { SharpCodec } from "effect-segformer/sharp"
import { Inspector } from "./Inspector.ts"

/** The model in the package. For a service it is `SegFormerHttp.layerConfig(SegFormerConfig.config)`, and nothing else changes. */
const segmenter = SegFormerOnnx.layerConfig({ sessions: Config.withDefault(Config.Int("SESSIONS"), 1) })

/** Telemetry goes where `OTEL_EXPORTER_OTLP_ENDPOINT` says. */
export const layer = Inspector.layerConfig({
  minPixels: Config.withDefault(Config.Int("MIN_PIXELS"), 10)
}).pipe(
  Layer.provide([segmenter, Telemetry.layer]),
  Layer.provide([NodeHttp.layerConfig(NodeHttp.config), SharpCodec.layer]),
  Layer.provideMerge(NodeFileSystem.layer)
)
