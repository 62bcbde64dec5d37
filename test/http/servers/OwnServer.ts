/** `/v1` of `segformer serve`, written by hand: what its client gets is a frame of JSON and runs of ids. */
import type { ServerResponse } from "node:http"
import * as Model from "./Model.ts"

/** Runs of ids in 8 bits, each with its length in 7 bits a byte. */
export const runs = (ids: ArrayLike<number>): Buffer => {
  const bytes: Array<number> = []
  for (let at = 0; at < ids.length;) {
    let length = 1
    while (ids[at + length] === ids[at]) length++
    bytes.push(ids[at]!)
    at += length
    while (length >= 128) {
      bytes.push((length % 128) + 128)
      length = Math.floor(length / 128)
    }
    bytes.push(length)
  }
  return Buffer.from(bytes)
}

export const frame = (
  over: Record<string, unknown> = {},
  map: { readonly width: number; readonly height: number; readonly data: ArrayLike<number> } = Model.labels,
  labels = runs(map.data)
): Buffer => {
  const head = {
    requestId: "r-1",
    model: "panels",
    width: map.width,
    height: map.height,
    seconds: 0.01,
    classes: Model.classes.map(({ id, name }) => ({ id, name })),
    scores: {},
    labels: { bits: 8 },
    bytes: { labels: labels.length },
    ...over
  }
  const json = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  return Buffer.concat([length, json, labels])
}

export const send = (response: ServerResponse, body: Uint8Array) =>
  void response.writeHead(200, { "content-type": "application/vnd.segformer" }).end(body)

const models = {
  models: [
    {
      name: "panels",
      default: true,
      kind: "model",
      classes: Model.classes.map(({ id, name }) => ({ id, name, color: `#00000${id}` }))
    }
  ],
  formats: ["application/json", "application/vnd.segformer"]
}

const refuse = (response: ServerResponse, status: number, tag: string, message: string) =>
  Model.sendJson(response, { error: { tag, message, requestId: "r-1" } }, status)

export const make = Model.serve({
  isPredict: ({ method, path }) => method === "POST" && path.startsWith("/v1/segment"),
  predict: ({ body, headers }, response) => {
    if (headers.accept !== "application/vnd.segformer")
      return refuse(response, 406, "NotAcceptable", "as frames only")
    return Model.isTheImage(body)
      ? send(response, frame())
      : refuse(response, 400, "NotAnImage", "The body is empty: send the bytes of an image file")
  },
  other: ({ path }, response, state) => {
    if (path === "/v1/models") return Model.sendJson(response, models)
    if (path === "/ready")
      return state.ready
        ? Model.sendJson(response, { status: "ready" })
        : refuse(response, 503, "ModelLoading", "A model of this service is not ready")
    return refuse(response, 404, "NotFound", `There is no ${path} here`)
  }
})
