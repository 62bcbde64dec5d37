/** Services that are probed, and what is found out about each. */
import { NodeHttpClient } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { Effect, Layer, Redacted, Result, type Scope } from "effect"
import { ImageSource } from "effect-segformer"
import { LabelPng } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import { http, sendJson, type TestServer } from "../support/TestServer.ts"
import * as BentoServer from "./servers/BentoServer.ts"
import * as CogServer from "./servers/CogServer.ts"
import * as CustomServer from "./servers/CustomServer.ts"
import * as GradioServer from "./servers/GradioServer.ts"
import * as HuggingFaceServer from "./servers/HuggingFaceServer.ts"
import * as InspectionServer from "./servers/InspectionServer.ts"
import * as OpenInferenceServer from "./servers/OpenInferenceServer.ts"
import * as ReplicateServer from "./servers/ReplicateServer.ts"
import * as RoboflowServer from "./servers/RoboflowServer.ts"
import * as TfServingServer from "./servers/TfServingServer.ts"
import * as TorchServeServer from "./servers/TorchServeServer.ts"

export const mask = Result.getOrThrow(LabelPng.encode(Fixtures.labelMap))
export const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
export const live = <A, E>(
  name: string,
  body: Effect.Effect<A, E, Scope.Scope | Layer.Success<typeof platform>>
) => it.live(name, () => body.pipe(Effect.provide(platform), Effect.scoped))
export const platform = Layer.mergeAll(NodeHttpClient.layerUndici, SharpCodec.layer)

interface Expected {
  readonly protocol: string
  readonly certainty?: "sure" | "likely" | "possible"
  readonly layer: string
  readonly options?: { readonly model?: string; readonly apiKey?: Redacted.Redacted }
  readonly model?: string
}

/** FastAPI, as it describes itself. */
export const fastApi = http(({ method, path }, response) => {
  if (path === "/openapi.json") {
    return sendJson(response, {
      openapi: "3.1.0",
      info: { title: "Panel segmenter", version: "1" },
      paths: {
        "/healthz": { get: {} },
        "/login": { post: { requestBody: { content: { "application/json": {} } } } },
        "/v1/segment": {
          post: {
            requestBody: {
              content: {
                "multipart/form-data": { schema: { $ref: "#/components/schemas/Body_segment" } }
              }
            }
          }
        }
      },
      components: {
        schemas: {
          Body_segment: {
            type: "object",
            properties: { threshold: { type: "number" }, picture: { type: "string", format: "binary" } }
          }
        }
      }
    })
  }
  if (path === "/healthz") return sendJson(response, { ok: true })
  if (method === "POST" && path === "/v1/segment") {
    return sendJson(response, { mask: Buffer.from(mask).toString("base64") })
  }
  sendJson(response, { detail: "Not Found" }, 404)
})

export const servers: ReadonlyArray<
  readonly [string, Effect.Effect<TestServer, unknown, Scope.Scope>, (url: string) => Expected]
> = [
  [
    "the inspection service",
    InspectionServer.make,
    (url) => ({
      protocol: "inspection",
      model: "segformer",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}" })`
    })
  ],
  [
    "an endpoint of Hugging Face",
    HuggingFaceServer.make,
    (url) => ({
      protocol: "huggingface",
      certainty: "likely",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: HuggingFace.protocol })`
    })
  ],
  [
    "Triton",
    OpenInferenceServer.make({ binary: true }),
    (url) => ({
      protocol: "openinference",
      options: { model: "segformer" },
      model: "segformer",
      layer:
        `Layer.unwrap(\n  Effect.map(OpenInference.make({ model: "segformer" }), (protocol) =>\n` +
        `    SegFormerHttp.layer({ baseUrl: "${url}", protocol })\n  )\n).pipe(Layer.provide(SharpCodec.layer))`
    })
  ],
  [
    "TF Serving",
    TfServingServer.make,
    (url) => ({
      protocol: "tfserving",
      options: { model: "segformer" },
      model: "segformer",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: TfServing.make({ model: "segformer" }) })`
    })
  ],
  [
    "an app of Gradio",
    GradioServer.make({ endpoints: { "/segment": [GradioServer.picture], "/clear": [GradioServer.slider] } }),
    (url) => ({
      protocol: "gradio",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Gradio.make({ endpoint: "segment" }) })`
    })
  ],
  [
    "an app of Gradio 4",
    GradioServer.make({ prefix: "" }),
    (url) => ({
      protocol: "gradio",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Gradio.make({ endpoint: "segment" }) })`
    })
  ],
  [
    "TorchServe",
    TorchServeServer.make,
    (url) => ({
      protocol: "torchserve",
      options: { model: "segformer" },
      model: "segformer",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: TorchServe.make({ model: "segformer" }) })`
    })
  ],
  [
    "BentoML",
    BentoServer.make,
    (url) => ({
      protocol: "bentoml",
      certainty: "likely",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: BentoML.protocol })`
    })
  ],
  [
    "Roboflow",
    RoboflowServer.make,
    (url) => ({
      protocol: "roboflow",
      certainty: "likely",
      options: { model: "panels/3", apiKey: Redacted.make(RoboflowServer.key) },
      model: "panels/3",
      layer:
        `const apiKey = Redacted.make("…")\n` +
        `SegFormerHttp.layer({ baseUrl: "${url}", apiKey, protocol: Roboflow.make({ modelId: "panels/3", apiKey }) })`
    })
  ],
  [
    "Cog",
    CogServer.make(mask),
    (url) => ({
      protocol: "cog",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Cog.make() })`
    })
  ],
  [
    "Replicate",
    ReplicateServer.make(mask),
    (url) => ({
      protocol: "replicate",
      options: { model: "v1", apiKey: Redacted.make(ReplicateServer.token) },
      model: "v1",
      layer:
        `const apiKey = Redacted.make("…")\n` +
        `SegFormerHttp.layer({ baseUrl: "${url}", apiKey, protocol: Replicate.make({ version: "v1" }) })`
    })
  ],
  [
    "a server of one's own that describes itself",
    fastApi,
    (url) => ({
      protocol: "custom",
      certainty: "likely",
      model: "Panel segmenter",
      layer:
        `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Custom.make({ path: "/v1/segment", ` +
        `body: { as: "form", part: "picture" }, healthPath: "/healthz" }) })`
    })
  ],
  [
    "a server of one's own that does not",
    CustomServer.make,
    (url) => ({
      protocol: "custom",
      certainty: "likely",
      layer: `SegFormerHttp.layer({ baseUrl: "${url}", protocol: Custom.make({ path: "/segment" }) })`
    })
  ]
]
