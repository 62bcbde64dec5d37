/**
 * Cog's server as its description has it, on a real socket: one prediction at a time, answered when it is over; a PUT
 * of an id that runs, or has run, joins that prediction.
 */
import type { ServerResponse } from "node:http"
import { Effect, type Scope } from "effect"
import { http, sendJson, type SeenRequest, type TestServer } from "../../support/TestServer.ts"

export interface CogServer extends TestServer {
  /** How the server is now; a test may change it. */
  readonly state: {
    health: string
    /** Milliseconds a prediction takes. */
    takes: number
    answer: Record<string, unknown>
    /** Called before anything else; `true` where it has answered. */
    before: (request: SeenRequest, response: ServerResponse) => boolean
    /** Called when a prediction is over, before it is told; `true` where the answer is to be lost. */
    lose: () => boolean
  }
  /** The inputs of predictions that were run. */
  readonly runs: Array<Readonly<Record<string, unknown>>>
  readonly cancelled: Array<string>
}

export const make = (mask: Uint8Array): Effect.Effect<CogServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const runs: CogServer["runs"] = []
    const cancelled: Array<string> = []
    const state: CogServer["state"] = {
      health: "READY",
      takes: 5,
      answer: {
        status: "succeeded",
        output: `data:image/png;base64,${Buffer.from(mask).toString("base64")}`,
        metrics: { predict_time: 0.75 }
      },
      before: () => false,
      lose: () => false
    }
    let current: { readonly id: string; readonly done: Promise<void> } | undefined
    const finished = new Set<string>()
    const server = yield* http(async (request, response) => {
      if (state.before(request, response)) return
      const { body, method, path } = request
      if (method === "GET" && path === "/health-check") {
        return sendJson(response, { status: state.health, setup: { status: "succeeded", logs: "" } })
      }
      if (method === "GET" && path === "/") {
        return sendJson(response, {
          cog_version: "0.17.0",
          docs_url: "/docs",
          openapi_url: "/openapi.json",
          healthcheck_url: "/health-check",
          predictions_url: "/predictions"
        })
      }
      const cancel = /^\/predictions\/(\w+)\/cancel$/.exec(path)?.[1]
      if (method === "POST" && cancel !== undefined) {
        cancelled.push(cancel)
        return sendJson(response, {}, current?.id === cancel ? 200 : 404)
      }
      const put = method === "PUT" ? /^\/predictions\/(\w+)$/.exec(path)?.[1] : undefined
      const id = put ?? (method === "POST" && path === "/predictions" ? `own${runs.length}` : undefined)
      if (id === undefined) return sendJson(response, { detail: "Not Found" }, 404)
      if (!finished.has(id)) {
        if (current !== undefined && current.id !== id) {
          return sendJson(response, { detail: "Already running a prediction" }, 409)
        }
        if (current === undefined) {
          runs.push(JSON.parse(body.toString()).input)
          const done = new Promise<void>((resolve) => {
            setTimeout(resolve, state.takes)
          })
          current = { id, done }
        }
        await current.done
        finished.add(id)
        current = undefined
      }
      if (state.lose()) return void response.destroy()
      sendJson(response, state.answer)
    })
    return { ...server, state, runs, cancelled }
  })
