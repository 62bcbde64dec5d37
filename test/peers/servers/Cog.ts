/** Cog's own HTTP server: sync and by `PUT`, busy, and cancelled. */
import { Effect, Fiber } from "effect"
import { Cog } from "effect-segformer/http"
import { eventually } from "../../support/Eventually.ts"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Asking from "./Asking.ts"

const at = (baseUrl: string, options: Cog.CogOptions = {}): Asking.Service => ({
  baseUrl,
  protocol: Cog.make({
    classes: Asking.classes,
    job: { interval: "100 millis", maxInterval: "200 millis" },
    ...options
  })
})

const statusOf = (url: string) =>
  Effect.promise(async () => {
    const answer: { readonly status: string } = await (await fetch(`${url}/health-check`)).json()
    return answer.status
  })

const isNow = (url: string, status: string) =>
  eventually(() => Effect.map(statusOf(url), (now) => now === status), `Cog to be ${status}`)

const start = (predictor: string, isUp: (status: string) => boolean) =>
  Process.python("servers", {
    args: () => ["-m", "cog.server.http", "--host", "127.0.0.1"],
    cwd: `${Process.here}servers`,
    env: (port) => ({ PORT: String(port), COG_PREDICT_TYPE_STUB: `cog_predict.py:${predictor}` }),
    ready: async (url) => {
      const answer: { readonly status: string } = await (await fetch(`${url}/health-check`)).json()
      return isUp(answer.status)
    }
  })

export const peer = Peer.make({
  name: "cog",
  kind: "server",
  packages: Peer.pip("servers", "cog", "coglet", "onnxruntime"),
  environments: ["servers"],
  start: start("Predictor", (status) => status === "READY"),
  trials: {
    "probe knows it, and how it is called": ({ url }) => Asking.probed(url, "cog"),
    "PUT with an id, several at once: who meets 409 waits": ({ url }) => Asking.sameMaps(at(url)),
    POST: ({ url }) =>
      Effect.forEach(Asking.pictures, (picture) => Asking.sameMaps(at(url, { method: "POST" }), [picture])),
    health: ({ url }) => Asking.healthy(at(url)),
    "who gives up cancels": ({ url }) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Asking.sameMaps(at(url, { inputs: { delay: 3600 } })))
        yield* isNow(url, "BUSY")
        yield* Fiber.interrupt(fiber)
        yield* isNow(url, "READY")
      }),
    "a failed prediction": ({ url }) => Asking.failsWith(at(url), "JobFailed", /image file/, Asking.broken),
    "an input that it has not": ({ url }) =>
      Asking.failsWith(at(url, { input: "picture" }), "JobFailed", /unexpected keyword argument 'picture'/),
    "before it is set up": () =>
      Effect.gen(function* () {
        const { url } = yield* start("Endless", (status) => status === "STARTING")
        yield* Asking.unhealthy(at(url))
        yield* Asking.failsWith(at(url), "ServiceUnavailable", /Setup has not finished/)
      }),
    "whose setup has failed": () =>
      Effect.gen(function* () {
        const { url } = yield* start("Broken", (status) => status === "SETUP_FAILED")
        yield* Asking.unhealthy(at(url))
        yield* Asking.failsWith(at(url), "ServiceUnavailable", /[Ss]etup/)
      })
  }
})
