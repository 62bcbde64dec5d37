/** The conformance suite for protocols whose predictions are jobs: what asks to cancel one is no prediction. */
import { describe } from "@effect/vitest"
import { Effect } from "effect"
import { Cog, Replicate } from "effect-segformer/http"
import type { ServerResponse } from "node:http"
import type { SeenRequest } from "../../support/TestServer.ts"
import { conformance } from "./Conformance.ts"
import { type Contents, json, type Subject } from "./conformanceFaults.ts"
import * as Model from "../servers/Model.ts"

const isCancel = ({ path }: SeenRequest) => path.endsWith("/cancel")

const dataUrl = (bytes: Uint8Array) => `data:image/png;base64,${Model.base64(bytes)}`

/** Counts what asks for a prediction, and nothing else. */
const withoutCancels = (server: Model.ModelServer): Model.ModelServer => ({
  ...server,
  get requests() {
    return server.requests.filter((request) => !isCancel(request))
  }
})

const huge = (): Buffer => {
  const png = Model.greyPng()
  png.writeUInt32BE(9000, 16)
  png.writeUInt32BE(9000, 20)
  return png
}

const contents = (answer: (output: unknown) => unknown): Contents => ({
  wrongShape: json({ something: "else" }),
  notBase64: json(answer("data:image/png;base64,%%% no base64 %%%")),
  notPng: json(answer(dataUrl(Buffer.from("GIF89a, or so it says")))),
  cutPng: json(answer(dataUrl(Model.greyPng().subarray(0, 60)))),
  hugePng: json(answer(dataUrl(huge()))),
  outOfRange: json(answer(dataUrl(Model.greyPng(Model.outOfRange)))),
  otherSize: json(answer(dataUrl(Model.greyPng(Model.halfSize))))
})

const imageIn = (request: SeenRequest): boolean => {
  const [, encoded = ""] = String(Model.jsonOf(request.body).input?.image).split(";base64,")
  return Model.isTheImage(Buffer.from(encoded, "base64"))
}

const cogAnswer = (output: unknown) => ({ status: "succeeded", output, metrics: { predict_time: 0.5 } })

const answerIf = (answer: (output: unknown) => unknown) => (request: SeenRequest, response: ServerResponse) =>
  imageIn(request)
    ? Model.sendJson(response, answer(dataUrl(Model.greyPng())))
    : Model.sendJson(response, { detail: "no image" }, 422)

const replicateAnswer = (output: unknown) => ({
  id: "p1",
  status: "succeeded",
  output,
  error: null,
  urls: { get: "http://elsewhere/v1/predictions/p1", cancel: "http://elsewhere/v1/predictions/p1/cancel" }
})

const quick = { interval: "5 millis" } as const

const subjects: ReadonlyArray<Subject> = [
  {
    name: "cog",
    isJob: true,
    server: Effect.map(
      Model.serve({
        isPredict: ({ method }) => method === "PUT",
        predict: answerIf(cogAnswer),
        other: (request, response, state) =>
          isCancel(request)
            ? Model.sendJson(response, {}, 404)
            : Model.sendJson(response, { status: state.ready ? "READY" : "STARTING" })
      }),
      withoutCancels
    ),
    protocol: Effect.succeed(Cog.make({ classes: Model.classes, job: quick })),
    errorBody: (detail) => ({ detail }),
    contents: contents(cogAnswer)
  },
  {
    name: "replicate",
    isJob: true,
    server: Effect.map(
      Model.serve({
        isPredict: ({ method, path }) => method === "POST" && path.startsWith("/v1/predictions"),
        predict: answerIf(replicateAnswer),
        other: (_, response, state) => Model.sendJson(response, {}, state.ready ? 200 : 503)
      }),
      withoutCancels
    ),
    protocol: Effect.succeed(
      Replicate.make({ version: "v1", classes: Model.classes, wait: "20 millis", job: quick })
    ),
    errorBody: (detail) => ({ title: "Error", detail }),
    contents: contents(replicateAnswer)
  }
]

describe("conformance of jobs", () => {
  for (const subject of subjects) conformance(subject)
})
