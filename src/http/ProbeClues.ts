/**
 * By what a service is known: the questions that each protocol answers in its own way, the most telling first. A clue says
 * which answers speak for it. It is sure only by what no other answers; what others might is likely where two answers
 * agree, and possible where there is one.
 */
import { Effect } from "effect"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import * as OpenApiRoutes from "./OpenApiRoutes.ts"
import { type Ask, bodyOf, type Clue, type Detect, isOk, type Known } from "./ProbeClue.ts"
import * as ProbeModels from "./ProbeModels.ts"
import { byRoute, openapi, plain } from "./ProbeRoutes.ts"
import * as Cog from "./protocol/Cog.ts"
import * as Errors from "./protocol/Errors.ts"
import * as Gradio from "./protocol/Gradio.ts"
import * as GradioApp from "./protocol/GradioApp.ts"
import * as InferAnswer from "./protocol/InferAnswer.ts"
import * as Inspection from "./protocol/Inspection.ts"
import * as SegFormer from "./protocol/SegFormer.ts"
import * as TfServing from "./protocol/TfServing.ts"

const segformer: Detect = (ask) =>
  Effect.map(ask.get(SegFormer.modelsPath), (answer): Clue | undefined => {
    const model = answer === undefined ? undefined : SegFormer.described(answer)
    const isClosed = answer !== undefined && answer.status === 401 && SegFormer.isRefusal(answer)
    if (model === undefined && !isClosed) return undefined
    const { describe, health } = SegFormer.protocol
    return {
      protocol: "segformer",
      certainty: model === undefined ? "likely" : "sure",
      signs: [
        model === undefined
          ? "GET /v1/models refuses in the words of segformer serve"
          : "GET /v1/models lists models and forms as segformer serve does"
      ],
      health,
      describe: model ?? describe,
      needsKey: isClosed
    }
  })

const inspection: Detect = (ask) =>
  Effect.gen(function* () {
    const answer = yield* ask.get("/health")
    const { cuda_available: cuda, model_loaded: loaded, system } = bodyOf(answer)
    if (typeof loaded !== "boolean") return undefined
    const isWhole = typeof cuda === "boolean" && typeof system === "string"
    const signs = [
      isWhole ? "GET /health has model_loaded, cuda_available and system" : "GET /health has model_loaded"
    ]
    if (!isWhole) {
      // Many have such a field.
      const { current_model: current } = bodyOf(yield* ask.get("/api/model/current"))
      if (typeof current !== "string") return undefined
      signs.push("GET /api/model/current has current_model")
    }
    return {
      protocol: "inspection",
      certainty: isWhole ? "sure" : "likely",
      signs,
      limits: ["50 MB an image", "PNG, JPEG, BMP and TIFF"],
      health: Inspection.protocol.health,
      describe: Inspection.protocol.describe
    }
  })

const saysOk = (ask: Ask, answer: Answer | undefined): boolean =>
  answer !== undefined && isOk(ask, answer) && /^"?ok"?\s*$/i.test(Decode.text(answer))

/** The container of Hugging Face says so in one word, and so do others. */
const huggingface: Detect = (ask) =>
  Effect.gen(function* () {
    const health = yield* ask.get("/health")
    const home = yield* ask.get("/")
    if (!saysOk(ask, home)) return undefined
    const isBoth = saysOk(ask, health)
    return {
      protocol: "huggingface",
      certainty: isBoth ? "likely" : "possible",
      signs: [...(isBoth ? ["GET /health says Ok"] : []), "GET / says Ok"],
      health: Errors.healthByStatus(isBoth ? "/health" : "/"),
      settings: isBoth ? {} : { healthPath: "/" }
    }
  })

const cogStates = new Set(["READY", "BUSY", "STARTING", "SETUP_FAILED", "DEFUNCT", "UNHEALTHY"])

const cog: Detect = (ask) =>
  Effect.map(ask.get("/"), (answer): Clue | undefined => {
    const { cog_version: version, healthcheck_url: health } = bodyOf(answer)
    return typeof version === "string" || health === "/health-check"
      ? {
          protocol: "cog",
          certainty: "sure",
          signs: [typeof version === "string" ? "GET / has cog_version" : "GET / has healthcheck_url"],
          health: Cog.make().health
        }
      : undefined
  })

/** The same, where something before it answers for `/`. */
const cogByHealth: Detect = (ask) =>
  Effect.map(ask.get("/health-check"), (answer): Clue | undefined => {
    const { setup, status } = bodyOf(answer)
    if (typeof status !== "string" || !cogStates.has(status)) return undefined
    const hasSetup = Errors.isRecord(setup)
    return {
      protocol: "cog",
      certainty: hasSetup ? "likely" : "possible",
      signs: [`GET /health-check has the status ${status}`, ...(hasSetup ? ["and a setup"] : [])],
      health: Cog.make().health
    }
  })

/** Its page names it, and its configuration says what it is made of. */
const gradio: Detect = (ask) =>
  Effect.gen(function* () {
    const home = yield* ask.get("/")
    if (home === undefined || !/gradio/i.test(Decode.text(home))) return undefined
    const { api_prefix: prefix, components, dependencies, version } = bodyOf(yield* ask.get("/config"))
    if (!Array.isArray(components) || !Array.isArray(dependencies) || typeof version !== "string")
      return undefined
    const path = typeof prefix === "string" ? prefix : ""
    const endpoints = GradioApp.endpointsIn(bodyOf(yield* ask.get(`${path}/info`))) ?? []
    const fitting = endpoints.filter(GradioApp.takesImage).map(({ name }) => name)
    const [only] = fitting
    return {
      protocol: "gradio",
      certainty: "sure",
      signs: [
        `GET /config has version ${version}, components and dependencies`,
        ...(only === undefined || fitting.length > 1 ? [] : [`its endpoint ${only} takes an image`])
      ],
      health: Gradio.protocol.health,
      ...(fitting.length === 1 && only !== undefined
        ? { settings: { path: only } }
        : {
            lacks:
              fitting.length === 0
                ? "an endpoint that takes an image"
                : `which endpoint: ${fitting.join(", ")} take images`
          })
    }
  })

const openinference: Detect = (ask, known) =>
  Effect.gen(function* () {
    const server = yield* ask.get("/v2")
    const { extensions, name, version } = bodyOf(server)
    const hasExtensions = Array.isArray(extensions)
    if (!isOk(ask, server) || typeof name !== "string" || (typeof version !== "string" && !hasExtensions))
      return undefined
    const isReady = hasExtensions || isOk(ask, yield* ask.get("/v2/health/ready"))
    const model = known.model ?? ProbeModels.preferred(yield* ProbeModels.modelsAt(ask))
    const path = model === undefined ? undefined : `/v2/models/${encodeURIComponent(model)}`
    return {
      protocol: "openinference",
      certainty: hasExtensions ? "sure" : isReady ? "likely" : "possible",
      signs: [
        `GET /v2 has name${typeof version === "string" ? ", version" : ""}${hasExtensions ? " and extensions" : ""}`,
        ...(!hasExtensions && isReady ? ["GET /v2/health/ready answers 200"] : [])
      ],
      model,
      limits: [
        hasExtensions && extensions.includes("binary_tensor_data") ? "binary tensors" : "tensors as JSON only"
      ],
      health: Errors.healthByStatus(path === undefined ? "/v2/health/ready" : `${path}/ready`, [400]),
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
            }
    }
  })

const torchserve: Detect = (ask) =>
  Effect.map(ask.get("/ping"), (answer): Clue | undefined => {
    const { status, type } = bodyOf(answer)
    // Which keeps all of its routes to those who have one.
    if (type === "InvalidKeyException")
      return {
        protocol: "torchserve",
        certainty: "likely",
        signs: ["GET /ping is refused with an InvalidKeyException"],
        needsKey: true
      }
    if (status !== "Healthy" && status !== "Unhealthy" && status !== "Partial Healthy") return undefined
    // Its way to say that there is no such route.
    const isItsError = ask.answers().some((each) => {
      const { code, type } = bodyOf(each)
      return typeof code === "number" && typeof type === "string" && type.endsWith("Exception")
    })
    return {
      protocol: "torchserve",
      certainty: isItsError ? "sure" : "likely",
      signs: [
        `GET /ping has the status ${status}`,
        ...(isItsError ? ["what is not there is an Exception with code and type"] : [])
      ],
      health: {
        call: { method: "GET", path: "/ping" },
        read: () => Effect.succeed({ healthy: status === "Healthy", detail: status })
      }
    }
  })

const tfserving: Detect = (ask, known) =>
  Effect.gen(function* () {
    const list = yield* ask.get(SegFormer.modelsPath)
    const said = bodyOf(list)
    const isTold =
      Array.isArray(said["model_version_status"]) ||
      /servable|versions of model|malformed request: get/i.test(Errors.messageIn(said["error"]) ?? "")
    if (!isTold) return undefined
    const path = `/v1/models/${encodeURIComponent(known.model ?? "model")}`
    const body = bodyOf(yield* ask.get(path))
    const versions = body["model_version_status"]
    const states = Array.isArray(versions)
      ? versions.flatMap((each: unknown) => (Errors.isRecord(each) ? [String(each["state"])] : []))
      : []
    return {
      protocol: "tfserving",
      certainty: Array.isArray(versions) ? "sure" : "likely",
      signs: [
        Array.isArray(versions)
          ? `GET ${path} has model_version_status`
          : "GET /v1/models is refused in the words of TensorFlow Serving"
      ],
      health: {
        call: { method: "GET", path },
        read: () =>
          Effect.succeed({
            healthy: states.includes("AVAILABLE"),
            detail: states.length === 0 ? "it has no model of this name" : states.join(", ")
          })
      }
    }
  })

/** KServe's first protocol, where there is not the second: its own servers list their models. */
const kserve: Detect = (ask, known) =>
  Effect.gen(function* () {
    const names = ProbeModels.namesIn(ask, yield* ask.get(SegFormer.modelsPath))
    const model = known.model ?? ProbeModels.preferred(names)
    if (names.length === 0 || model === undefined) return undefined
    const { health } = TfServing.make({ model })
    const { name, ready } = bodyOf(yield* ask.get(health.call.path))
    return {
      protocol: "tfserving",
      certainty: name === model && ready !== undefined ? "sure" : "likely",
      signs: ["GET /v1/models has the names of models, as KServe's servers list them"],
      model,
      health
    }
  })

const roboflow: Detect = (ask) =>
  Effect.gen(function* () {
    if (isOk(ask, yield* ask.get("/health"))) return undefined
    const answer = yield* ask.get("/readiness")
    const isUnready = answer?.status === 503 && ask.answers()[0]?.status !== 503
    if (typeof bodyOf(answer)["status"] !== "string" || (!isOk(ask, answer) && !isUnready)) return undefined
    // Its errors have one field.
    const isItsError = ask.answers().some((each) => {
      const body = bodyOf(each)
      return each.status === 404 && typeof body["message"] === "string" && Object.keys(body).length === 1
    })
    return {
      protocol: "roboflow",
      certainty: isItsError ? "likely" : "possible",
      signs: ["GET /readiness has a status", ...(isItsError ? ["what is not there is a message alone"] : [])],
      health: Errors.healthByStatus("/readiness"),
      needsKey: true
    }
  })

const bentoml: Detect = (ask) =>
  Effect.gen(function* () {
    // It has no such route, and whoever has one is none.
    if (isOk(ask, yield* ask.get("/health"))) return undefined
    const ready = yield* ask.get("/readyz")
    // Ready in Kubernetes' sense: next to nothing in the body. Its contract says which methods it has.
    if (ready === undefined) return undefined
    const isReady = isOk(ask, ready) && ready.body.length < 200
    // Not ready, where other routes do not answer so as well.
    if (!isReady && (ready.status !== 503 || ask.answers()[0]?.status === 503)) return undefined
    const route = OpenApiRoutes.best(bodyOf(yield* ask.get("/docs.json")))
    const isAlive = route !== undefined || isOk(ask, yield* ask.get("/livez"))
    return {
      protocol: "bentoml",
      certainty:
        route !== undefined && route.settings.part !== undefined ? "sure" : isAlive ? "likely" : "possible",
      signs: [
        `GET /readyz answers ${ready.status}`,
        ...(route === undefined
          ? isAlive
            ? ["GET /livez answers 200"]
            : []
          : [`/docs.json has ${route.path}, which takes ${route.takes ?? "something"}`])
      ],
      health: Errors.healthByStatus("/readyz"),
      settings: route === undefined ? {} : route.settings
    }
  })

const replicate: Detect = (ask) =>
  Effect.gen(function* () {
    const [first] = ask.answers()
    // Whatever it refuses has a detail.
    if (typeof bodyOf(first)["detail"] !== "string") return undefined
    const isAsking = ({ detail, title }: Readonly<Record<string, unknown>>) =>
      title === "Unauthenticated" && typeof detail === "string"
    const account = isAsking(bodyOf(first)) ? first : yield* ask.get("/v1/account")
    const body = bodyOf(account)
    const isNamed = typeof body["username"] === "string" && typeof body["type"] === "string"
    if (!isNamed && !isAsking(body)) return undefined
    return {
      protocol: "replicate",
      certainty: isNamed ? "sure" : "likely",
      signs: [
        isNamed
          ? "GET /v1/account has username and type"
          : "it refuses with the title Unauthenticated and a detail"
      ],
      health: Errors.healthByStatus("/v1/account"),
      needsKey: true
    }
  })

/** In the order in which they are tried: an earlier one is never mistaken for a later one. */
const detections: ReadonlyArray<Detect> = [
  segformer,
  tfserving,
  replicate,
  inspection,
  huggingface,
  cog,
  gradio,
  openinference,
  kserve,
  openapi,
  torchserve,
  bentoml,
  byRoute("/predict"),
  roboflow,
  byRoute("/segment"),
  cogByHealth,
  plain
]

/** What is left to try where whoever answers shows no GET route to this caller. */
const closed: ReadonlyArray<Detect> = [replicate, byRoute("/predict"), byRoute("/segment")]

/** The clue of the first detection that has one. */
export const find = Effect.fnUntraced(function* (
  url: string,
  ask: Ask,
  known: Known,
  isOver: () => boolean
): Effect.fn.Return<Clue | undefined> {
  const isReplicate = /^https?:\/\/api\.replicate\.com(\/|$)/i.test(url)
  let left = isReplicate ? [replicate, ...detections] : detections
  let isClosed = false
  while (left.length > 0 && !isOver()) {
    const [detect, ...rest] = left
    const clue = detect === undefined ? undefined : yield* detect(ask, known)
    if (clue !== undefined) return clue
    const answers = ask.answers()
    const closes: boolean =
      !isClosed && answers.length >= 3 && answers.every(({ status }) => status === 401 || status === 403)
    isClosed ||= closes
    left = closes ? closed : rest
  }
  return undefined
})
