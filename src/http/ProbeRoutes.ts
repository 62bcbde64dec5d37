/** Clues to hand-written servers: by their own description, by a route that takes images, or by their health alone. */
import { Effect } from "effect"
import { type Answer, isSuccess } from "../service/Exchange.ts"
import * as Decode from "../service/Decode.ts"
import * as OpenApiRoutes from "./OpenApiRoutes.ts"
import { type Ask, bodyOf, type Clue, type Detect, isOk } from "./ProbeClue.ts"
import * as Cog from "./protocol/Cog.ts"
import * as Errors from "./protocol/Errors.ts"

const healthPaths = ["/health", "/healthz", "/ready", "/readyz", "/ping"]

/** FastAPI and its like describe themselves. */
export const openapi: Detect = (ask, known) =>
  Effect.gen(function* () {
    const document = bodyOf(yield* ask.get("/openapi.json"))
    const { info, paths } = document
    if (!Errors.isRecord(paths)) return undefined
    if ("/infer/semantic_segmentation" in paths) {
      return {
        protocol: "roboflow",
        certainty: "sure",
        signs: ["/openapi.json has /infer/semantic_segmentation"],
        health: Errors.healthByStatus("/readiness"),
        needsKey: true
      }
    }
    if ("/health-check" in paths && "/predictions" in paths) {
      return {
        protocol: "cog",
        certainty: "likely",
        signs: ["/openapi.json has /predictions", "and /health-check"],
        health: Cog.make().health
      }
    }
    const route = OpenApiRoutes.best(document)
    if (route === undefined) return undefined
    const healthPath = healthPaths.find((path) => path in paths)
    const title = Errors.isRecord(info) && typeof info["title"] === "string" ? info["title"] : undefined
    const { key } = route
    return {
      protocol: "custom",
      certainty: route.takes === undefined ? "possible" : "likely",
      signs: [
        `/openapi.json has ${route.path}`,
        ...(route.takes === undefined ? [] : [`which takes ${route.takes}`]),
        ...(route.gives === undefined
          ? []
          : [`and answers ${route.gives}, which may be the mask itself, or a picture of it`])
      ],
      model: known.model ?? title,
      health: Errors.healthByStatus(healthPath ?? "/health"),
      settings: {
        ...route.settings,
        ...(healthPath === undefined || healthPath === "/health" ? {} : { healthPath })
      },
      needsKey: key !== undefined,
      keyHeader: typeof key === "string" ? key : undefined
    }
  })

/** What a route says to a request without an image, where it is there: it takes it, or misses something in it. */
const takesRequests = (ask: Ask, answer: Answer | undefined): answer is Answer => {
  if (answer === undefined) return false
  const [first] = ask.answers()
  const isSaid = [400, 411, 415, 422].includes(answer.status) || isOk(ask, answer)
  return isSaid && first?.status !== answer.status
}

/** FastAPI names what is missing: `{loc: ["body", "file"]}`. */
const missingPart = (answer: Answer): string | undefined => {
  const { detail } = bodyOf(answer)
  const [first] = Array.isArray(detail) ? detail : []
  const loc: unknown = Errors.isRecord(first) ? first["loc"] : undefined
  const name: unknown = Array.isArray(loc) && loc.length === 2 && loc[0] === "body" ? loc[1] : undefined
  return typeof name === "string" ? name : undefined
}

/** Whether a route that was asked without a body misses JSON, or another type of body: it takes no form then. */
const wantsOtherBody = (answer: Answer): boolean => {
  const text = Decode.text(answer).slice(0, 4096)
  return (
    !isSuccess(answer) &&
    !/multipart|\bform\b/i.test(text) &&
    (answer.status === 415 || /\bjson\b|expecting value|media.?type|content.?type/i.test(text))
  )
}

/** A route that hand-written servers have most often, by what it says to a request without an image. */
export const byRoute =
  (path: string): Detect =>
  (ask) =>
    Effect.map(ask.post(path), (answer): Clue | undefined => {
      if (!takesRequests(ask, answer)) return undefined
      const part = missingPart(answer)
      const others = new Set(ask.answers().flatMap((each) => (each === answer ? [] : [each.status])))
      const health = ask.answers().find((each) => each.service.endsWith("/health"))
      const isWell = isOk(ask, health)
      const isForm = part !== undefined || !wantsOtherBody(answer)
      return {
        protocol: "custom",
        certainty: isForm ? "likely" : "possible",
        lacks: isForm
          ? undefined
          : `how ${path} takes images: it wants another body than a form, most often JSON with a field for them`,
        signs: [
          `POST ${path} answers ${answer.status} to a request without an image`,
          isWell ? "GET /health answers 200" : `others answer ${[...others].join(", ")}`
        ],
        health: isWell ? Errors.healthByStatus("/health") : undefined,
        settings: { ...(path === "/predict" ? {} : { path }), ...(part === undefined ? {} : { part }) }
      }
    })

/** Nothing of its own, but it says that it is well. */
export const plain: Detect = (ask) =>
  Effect.map(ask.get("/health"), (answer): Clue | undefined =>
    isOk(ask, answer)
      ? {
          protocol: "custom",
          certainty: "possible",
          signs: ["GET /health answers 200"],
          health: Errors.healthByStatus("/health"),
          lacks: "the path that takes images"
        }
      : undefined
  )
