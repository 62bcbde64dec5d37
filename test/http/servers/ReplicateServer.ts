/**
 * Replicate as its description has it, on a real socket, with a delivery host of its own for the files of outputs.
 * Predictions take as many questions as a test says; a repeated `Idempotency-Key` finds the prediction it started.
 */
import type { ServerResponse } from "node:http"
import { Effect, type Scope } from "effect"
import { http, sendJson, type SeenRequest, type TestServer } from "../../support/TestServer.ts"

interface Prediction {
  readonly id: string
  readonly input: Readonly<Record<string, unknown>>
  status: string
  /** Questions until it is over. */
  left: number
  output: unknown
  error: unknown
}

export interface ReplicateServer extends TestServer {
  /** Where files of outputs lie: another origin. */
  readonly delivery: TestServer
  readonly predictions: Map<string, Prediction>
  /** How the server is now; a test may change it. */
  readonly state: {
    /** Questions a prediction takes before it is over. */
    polls: number
    /** What it ends with. */
    end: "succeeded" | "failed" | "canceled" | (string & {})
    error: unknown
    /** What the model gives, once it succeeded. */
    output: unknown
    /** Headers of each answer about a prediction. */
    headers: Record<string, string>
    /** Where `urls` lead: the server itself, unless given. */
    origin: string | undefined
    /** Called before anything else; `true` where it has answered. */
    before: (request: SeenRequest, response: ServerResponse) => boolean
  }
  /** Starts the prediction that a request asks for, or finds the one its key has started. */
  readonly accept: (request: SeenRequest) => Prediction
  /** Predictions that were started: what is paid for. */
  readonly executions: () => number
}

export const token = "r8_a-key-that-nobody-else-may-see"

export const make = (mask: Uint8Array): Effect.Effect<ReplicateServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const delivery = yield* http((request, response) => {
      if (request.path.startsWith("/mask.png")) {
        response.writeHead(200, { "content-type": "image/png", "content-length": mask.length })
        return void response.end(mask)
      }
      response.writeHead(404).end()
    })
    const predictions = new Map<string, Prediction>()
    const byKey = new Map<string, string>()
    const state: ReplicateServer["state"] = {
      polls: 2,
      end: "succeeded",
      error: null,
      output: `${delivery.url}/mask.png?signature=s3cret`,
      headers: {},
      origin: undefined,
      before: () => false
    }
    const accept = ({ body, headers }: SeenRequest): Prediction => {
      const key = String(headers["idempotency-key"])
      const prediction: Prediction = predictions.get(byKey.get(key) ?? "") ?? {
        id: `p${predictions.size + 1}`,
        input: JSON.parse(body.toString()).input,
        status: "starting",
        left: state.polls,
        output: null,
        error: null
      }
      predictions.set(prediction.id, prediction)
      byKey.set(key, prediction.id)
      return prediction
    }
    const finish = (prediction: Prediction) => {
      prediction.status = state.end
      prediction.output = state.end === "succeeded" ? state.output : null
      prediction.error = state.error
    }
    let url = ""
    const show = (prediction: Prediction, response: ServerResponse, status = 200) => {
      const origin = state.origin ?? url
      const done = prediction.status !== "starting" && prediction.status !== "processing"
      sendJson(
        response,
        {
          id: prediction.id,
          version: "v1",
          status: prediction.status,
          output: prediction.output,
          error: prediction.error,
          logs: prediction.status === "processing" ? " 50%|#####     | 5/10" : "",
          metrics: done ? { predict_time: 1.25 } : {},
          urls: {
            get: `${origin}/v1/predictions/${prediction.id}`,
            cancel: `${origin}/v1/predictions/${prediction.id}/cancel`
          }
        },
        status,
        state.headers
      )
    }
    const server = yield* http((request, response) => {
      if (state.before(request, response)) return
      const { body, headers, method, path } = request
      if (headers.authorization !== `Bearer ${token}`) {
        return sendJson(response, { title: "Unauthenticated", detail: "You did not pass a token" }, 401)
      }
      if (method === "POST" && path === "/v1/predictions") {
        if (JSON.parse(body.toString()).version !== "v1") {
          return sendJson(response, { detail: "Invalid version" }, 422)
        }
        const prediction = accept(request)
        if (headers.prefer !== undefined) finish(prediction)
        return show(prediction, response, 201)
      }
      const [, id = "", cancel] = /^\/v1\/predictions\/(\w+)(\/cancel)?$/.exec(path) ?? []
      const prediction = predictions.get(id)
      if (prediction !== undefined && method === "POST" && cancel !== undefined) {
        prediction.status = "canceled"
        return show(prediction, response)
      }
      if (prediction !== undefined && method === "GET" && cancel === undefined) {
        if (prediction.status === "starting" || prediction.status === "processing") {
          prediction.left--
          if (prediction.left <= 0) finish(prediction)
          else prediction.status = "processing"
        }
        return show(prediction, response)
      }
      if (method === "GET" && (path === "/v1/account" || path === "/v1/models/acme/segformer")) {
        return sendJson(response, { type: "user", username: "acme" })
      }
      sendJson(response, { detail: "The requested resource could not be found." }, 404)
    })
    url = server.url
    return { ...server, delivery, predictions, state, accept, executions: () => predictions.size }
  })
