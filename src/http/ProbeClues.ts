/**
 * By what a service is known: the questions that each protocol answers in its own way, the most telling first, and the
 * layer to write for it.
 */
import { Effect, Schema } from "effect"
import * as Decode from "../service/Decode.ts"
import { type Answer, isSuccess } from "../service/Exchange.ts"
import type { Health } from "../Transport.ts"
import * as BentoML from "./protocol/BentoML.ts"
import * as Cog from "./protocol/Cog.ts"
import * as Custom from "./protocol/Custom.ts"
import * as Errors from "./protocol/Errors.ts"
import * as InferAnswer from "./protocol/InferAnswer.ts"
import * as Inspection from "./protocol/Inspection.ts"
import type { Protocol, Question } from "./protocol/Protocol.ts"

/** Asks for a path: the same answer for the same path, and `undefined` where there is none, or no question is left. */
export interface Ask {
  readonly get: (path: string) => Effect.Effect<Answer | undefined>
  readonly post: (path: string) => Effect.Effect<Answer | undefined>
}

/** What the caller knows already. */
export interface Known {
  readonly model: string | undefined
}

/** A protocol that the answers speak for. */
export interface Clue {
  /** As in configuration, such as `inspection`. */
  readonly protocol: string
  /** `"sure"`: no other answers so. `"likely"`: others might. */
  readonly certainty: "sure" | "likely"
  /** Where the answers name it, and the caller does not. */
  readonly model?: string | undefined
  /** What it takes, in words. */
  readonly limits?: ReadonlyArray<string> | undefined
  readonly health?: Question<Health> | undefined
  readonly describe?: Protocol["describe"] | undefined
  /** Makes the protocol, as an expression of TypeScript; `undefined` where it is the one by default. */
  readonly code: string | undefined
  /** The protocol as it was found, where its name alone does not say it. */
  readonly instance?: Protocol | undefined
  /** For a layer that needs pixels. */
  readonly needsCodec?: boolean | undefined
  readonly needsKey?: boolean | undefined
}

type Detect = (ask: Ask, known: Known) => Effect.Effect<Clue | undefined>

/** Text in code. */
const quote = (text: string): string => JSON.stringify(text)

const bodyOf = (answer: Answer | undefined): Readonly<Record<string, unknown>> => {
  const json = answer === undefined ? undefined : Errors.jsonOf(answer)
  return Errors.isRecord(json) ? json : {}
}

const isOk = (answer: Answer | undefined): boolean => answer !== undefined && isSuccess(answer)

const modelOf = (known: Known): string => quote(known.model ?? "MODEL")

const inspection: Detect = (ask) =>
  Effect.map(ask.get("/health"), (answer) =>
    typeof bodyOf(answer)["model_loaded"] === "boolean"
      ? {
          protocol: "inspection",
          certainty: "sure",
          limits: ["50 MB an image", "PNG, JPEG, BMP and TIFF"],
          health: Inspection.protocol.health,
          describe: Inspection.protocol.describe,
          code: undefined
        }
      : undefined
  )

/** The container of Hugging Face says so in one word. */
const huggingface: Detect = (ask) =>
  Effect.gen(function* () {
    const hello = yield* ask.get("/health")
    const home = isOk(hello) ? hello : yield* ask.get("/")
    if (home === undefined || !isOk(home) || !/^"?ok"?\s*$/i.test(Decode.text(home))) return undefined
    const path = isOk(hello) ? "/health" : "/"
    return {
      protocol: "huggingface",
      certainty: "sure",
      health: Errors.healthByStatus(path),
      code: path === "/health" ? "HuggingFace.protocol" : `HuggingFace.make({ healthPath: "/" })`
    }
  })

const cogClue: Clue = { protocol: "cog", certainty: "sure", health: Cog.make().health, code: "Cog.make()" }

const cog: Detect = (ask) =>
  Effect.gen(function* () {
    const home = bodyOf(yield* ask.get("/"))
    const isCog = typeof home["cog_version"] === "string" || home["healthcheck_url"] === "/health-check"
    return isCog ? cogClue : undefined
  })

/** The same, where something before it answers for `/`. */
const cogByHealth: Detect = (ask) =>
  Effect.map(ask.get("/health-check"), (answer) => {
    const { status } = bodyOf(answer)
    const known = ["READY", "BUSY", "STARTING", "SETUP_FAILED", "DEFUNCT", "UNHEALTHY"]
    return typeof status === "string" && known.includes(status) ? cogClue : undefined
  })

const decodeIndex = Schema.decodeUnknownOption(Schema.Array(Schema.Struct({ name: Schema.String })))

const openinference: Detect = (ask, known) =>
  Effect.gen(function* () {
    const server = yield* ask.get("/v2")
    const { extensions, name, version } = bodyOf(server)
    if (!isOk(server) || typeof name !== "string" || (version === undefined && extensions === undefined)) {
      return undefined
    }
    let { model } = known
    if (model === undefined) {
      // Triton lists its models; others have no such route.
      const listed = yield* ask.post("/v2/repository/index")
      const index = decodeIndex(listed === undefined || !isOk(listed) ? undefined : Errors.jsonOf(listed))
      const names = index._tag === "Some" ? index.value.map(({ name }) => name) : []
      model = names.find((name) => /seg/i.test(name)) ?? names[0]
    }
    const binary = Array.isArray(extensions) && extensions.includes("binary_tensor_data")
    const path = model === undefined ? undefined : `/v2/models/${encodeURIComponent(model)}`
    return {
      protocol: "openinference",
      certainty: "sure",
      model,
      limits: [binary ? "binary tensors" : "tensors as JSON only"],
      health: Errors.healthByStatus(path === undefined ? "/v2/health/ready" : `${path}/ready`),
      describe:
        path === undefined
          ? undefined
          : {
              call: { method: "GET", path },
              read: (answer) =>
                Effect.map(Effect.flatMap(Errors.ok(answer), InferAnswer.metadata), ({ name }) => ({
                  name,
                  classes: []
                }))
            },
      code: `OpenInference.make({ model: ${quote(model ?? "MODEL")} })`,
      needsCodec: true
    }
  })

const torchserve: Detect = (ask, known) =>
  Effect.map(ask.get("/ping"), (answer) => {
    const { status } = bodyOf(answer)
    return status === "Healthy" || status === "Unhealthy" || status === "Partial Healthy"
      ? {
          protocol: "torchserve",
          certainty: "sure",
          health: {
            call: { method: "GET", path: "/ping" },
            read: () => Effect.succeed({ healthy: status === "Healthy", detail: status })
          },
          code: `TorchServe.make({ model: ${modelOf(known)} })`
        }
      : undefined
  })

const tfserving: Detect = (ask, known) =>
  Effect.gen(function* () {
    const path = `/v1/models/${encodeURIComponent(known.model ?? "model")}`
    const answer = yield* ask.get(path)
    const body = bodyOf(answer)
    const versions = body["model_version_status"]
    const refused = /servable|versions of model|malformed request: get/i.test(Errors.messageIn(body) ?? "")
    if (!Array.isArray(versions) && !refused) return undefined
    const states = Array.isArray(versions)
      ? versions.flatMap((each: unknown) => (Errors.isRecord(each) ? [String(each["state"])] : []))
      : []
    return {
      protocol: "tfserving",
      certainty: Array.isArray(versions) ? "sure" : "likely",
      health: {
        call: { method: "GET", path },
        read: () =>
          Effect.succeed({
            healthy: states.includes("AVAILABLE"),
            detail: states.length === 0 ? "it has no model of this name" : states.join(", ")
          })
      },
      code: `TfServing.make({ model: ${modelOf(known)} })`
    }
  })

const roboflowClue = (known: Known, certainty: Clue["certainty"]): Clue => ({
  protocol: "roboflow",
  certainty,
  health: Errors.healthByStatus("/readiness"),
  code: `Roboflow.make({ modelId: ${modelOf(known)}, apiKey })`,
  needsKey: true
})

const roboflow: Detect = (ask, known) =>
  Effect.gen(function* () {
    const answer = yield* ask.get("/readiness")
    if (answer === undefined || typeof bodyOf(answer)["status"] !== "string") return undefined
    const isKnown = isOk(answer) || answer.status === 503
    return isKnown ? roboflowClue(known, "likely") : undefined
  })

const bentoml: Detect = (ask) =>
  Effect.gen(function* () {
    const ready = yield* ask.get("/readyz")
    // Ready in Kubernetes' sense: an empty body. Its contract says which methods it has.
    if (ready === undefined || (!isOk(ready) && ready.status !== 503)) return undefined
    const routes = operations(bodyOf(yield* ask.get("/docs.json")))
    // A proxy whose service is away says 503 to everything.
    if (!isOk(ready) && routes.length === 0) return undefined
    const form = routes.find(({ part }) => part !== undefined)
    const options = [
      ...(form === undefined ? [] : [`route: ${quote(form.path.replace(/^\//, ""))}`]),
      ...(form?.part === undefined ? [] : [`parameter: ${quote(form.part)}`])
    ]
    return {
      protocol: "bentoml",
      certainty: routes.length > 0 ? "sure" : "likely",
      health: Errors.healthByStatus("/readyz"),
      instance: BentoML.make({ route: form?.path, parameter: form?.part }),
      code: options.length === 0 ? "BentoML.protocol" : `BentoML.make({ ${options.join(", ")} })`
    }
  })

interface Operation {
  readonly path: string
  /** The part of a form that takes a file. */
  readonly part: string | undefined
}

/** The requests with a body that an OpenAPI document lists, and which part of a form takes a file. */
const operations = (document: Readonly<Record<string, unknown>>): ReadonlyArray<Operation> => {
  const at = (value: unknown, ...keys: ReadonlyArray<string>): unknown => {
    let found = value
    for (const key of keys) {
      found = Errors.isRecord(found) ? found[key] : undefined
      const reference = Errors.isRecord(found) ? found["$ref"] : undefined
      if (typeof reference === "string" && reference.startsWith("#/")) {
        found = reference
          .slice(2)
          .split("/")
          .reduce<unknown>((value, key) => (Errors.isRecord(value) ? value[key] : undefined), document)
      }
    }
    return found
  }
  const { paths } = document
  return Object.entries(Errors.isRecord(paths) ? paths : {}).flatMap(
    ([path, item]): ReadonlyArray<Operation> => {
      const post = at(item, "post")
      if (post === undefined) return []
      const schema = at(post, "requestBody", "content", "multipart/form-data", "schema")
      const properties = at(schema, "properties")
      const fields = Object.entries(Errors.isRecord(properties) ? properties : {})
      const isFile = (field: unknown) =>
        at(field, "format") === "binary" || at(field, "contentMediaType") !== undefined
      return [{ path, part: fields.find(([, field]) => isFile(field))?.[0] }]
    }
  )
}

/** FastAPI and its like describe themselves. */
const openapi: Detect = (ask, known) =>
  Effect.gen(function* () {
    const document = bodyOf(yield* ask.get("/openapi.json"))
    const { info, paths } = document
    if (!Errors.isRecord(paths)) return undefined
    if ("/infer/semantic_segmentation" in paths) return roboflowClue(known, "sure")
    const found = operations(document)
    const best =
      found.find(({ part, path }) => part !== undefined && /seg|predict|infer|mask/i.test(path)) ??
      found.find(({ part }) => part !== undefined) ??
      found.find(({ path }) => /seg|predict|infer|mask/i.test(path))
    if (best === undefined) return undefined
    const body = best.part === undefined ? "" : `, body: { as: "form", part: ${quote(best.part)} }`
    const healthPath = ["/health", "/healthz", "/ready", "/ping"].find((path) => path in paths)
    const health =
      healthPath === undefined || healthPath === "/health" ? "" : `, healthPath: ${quote(healthPath)}`
    const title = Errors.isRecord(info) && typeof info["title"] === "string" ? info["title"] : undefined
    return {
      protocol: "custom",
      certainty: "likely",
      model: known.model ?? title,
      health: Errors.healthByStatus(healthPath ?? "/health"),
      instance: Custom.make({
        path: best.path,
        ...(best.part === undefined ? {} : { body: { as: "form", part: best.part } })
      }),
      code: `Custom.make({ path: ${quote(best.path)}${body}${health} })`
    }
  })

const replicate: Detect = (ask, known) =>
  Effect.map(ask.get("/v1/account"), (answer) => {
    const { detail, title, username } = bodyOf(answer)
    const isAsking = title === "Unauthenticated" && typeof detail === "string"
    return typeof username === "string" || isAsking
      ? {
          protocol: "replicate",
          certainty: "sure",
          health: Errors.healthByStatus("/v1/account"),
          code: `Replicate.make({ version: ${quote(known.model ?? "VERSION")} })`,
          needsKey: true
        }
      : undefined
  })

/** Nothing of its own, but it says that it is well. */
const plain: Detect = (ask) =>
  Effect.map(ask.get("/health"), (answer) =>
    isOk(answer)
      ? {
          protocol: "custom",
          certainty: "likely",
          health: Errors.healthByStatus("/health"),
          code: `Custom.make({ path: "/PATH" })`
        }
      : undefined
  )

/** In the order in which they are tried: an earlier one is never mistaken for a later one. */
const detections: ReadonlyArray<Detect> = [
  inspection,
  huggingface,
  cog,
  openinference,
  torchserve,
  tfserving,
  openapi,
  roboflow,
  bentoml,
  replicate,
  cogByHealth,
  plain
]

/** What to try for an address, the likeliest first: the host of one is known by its name. */
export const detectionsFor = (url: string): ReadonlyArray<Detect> =>
  /^https?:\/\/api\.replicate\.com(\/|$)/i.test(url) ? [replicate, ...detections] : detections

/** The layer to write, as TypeScript. */
export const layerCode = (baseUrl: string, clue: Clue): string => {
  const key = clue.needsKey === true ? ", apiKey" : ""
  const { code } = clue
  const layer =
    code === undefined
      ? `SegFormerHttp.layer({ baseUrl: ${quote(baseUrl)}${key} })`
      : clue.needsCodec === true
        ? `Layer.unwrap(\n  Effect.map(${code}, (protocol) =>\n    SegFormerHttp.layer({ baseUrl: ${quote(baseUrl)}${key}, protocol })\n  )\n).pipe(Layer.provide(SharpCodec.layer))`
        : `SegFormerHttp.layer({ baseUrl: ${quote(baseUrl)}${key}, protocol: ${code} })`
  return key === "" ? layer : `const apiKey = Redacted.make("…")\n${layer}`
}
