/**
 * The model that every server here runs: it knows one image and gives one result for it, as logits, as a label map
 * and as masks. A server that gets anything else says so, so that a test sees what came through.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Effect, type Scope } from "effect"
import { LabelMap, Logits } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { encode } from "fast-png"
import { http, type SeenRequest, sendJson, type TestServer } from "../../support/TestServer.ts"

export const { classes, height, image, width } = Fixtures

/** A quarter of the image's size, as a SegFormer has it: `[3, 8, 12]`, after the known label map. */
export const logits: Logits.Logits = (() => {
  const size = { width: width / 4, height: height / 4 }
  const small = LabelMap.resize(Fixtures.labelMap, size.width, size.height)
  // The scratch falls between the positions of a quarter: here it is a column of its own.
  for (let y = 1; y < 7; y++) small.data[y * size.width + 9] = 2
  const plane = size.width * size.height
  const data = new Float32Array(3 * plane)
  for (let i = 0; i < plane; i++) {
    // No ties, and nothing that a half or a decimal of JSON would round.
    for (let id = 0; id < 3; id++)
      data[id * plane + i] = (small.data[i] === id ? 4 : -1) + id / 8 + (i % 7) / 16
  }
  return { ...size, classes: 3, data }
})()

/** What the model says of the image, at the image's size. */
export const labels: LabelMap.LabelMap = Logits.toLabelMap(logits, width, height)

/** Rows of ids, as a server in another language would nest them. */
export const nested = (map: LabelMap.LabelMap = labels): Array<Array<number>> =>
  Array.from({ length: map.height }, (_, y) =>
    Array.from(map.data.subarray(y * map.width, (y + 1) * map.width))
  )

export const greyPng = (map: LabelMap.LabelMap = labels): Buffer =>
  Buffer.from(
    encode({ width: map.width, height: map.height, channels: 1, depth: 8, data: Uint8Array.from(map.data) })
  )

export const maskPng = (id: number, map: LabelMap.LabelMap = labels): Buffer =>
  greyPng({ ...map, data: Uint8Array.from(map.data, (each) => (each === id ? 255 : 0)) })

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

/** The label map at half the size, and what nearest neighbours make of it at the image's. */
export const halfSize = LabelMap.resize(labels, width / 2, height / 2)
export const resized = LabelMap.resize(halfSize, width, height)

/** The label map with an id that no class has. */
export const outOfRange: LabelMap.LabelMap = {
  ...labels,
  data: labels.data.map((id, at) => (at === 77 ? 9 : id))
}

/** What a server is like now; a test changes it between requests. */
export interface State {
  ready: boolean
  /** Answers predictions instead of the model. */
  fault: ((request: SeenRequest, response: ServerResponse) => void) | undefined
}

export interface ModelServer extends TestServer {
  readonly state: State
}

export interface Routes {
  /** Which requests ask for a prediction. */
  readonly isPredict: (request: SeenRequest) => boolean
  readonly predict: (request: SeenRequest, response: ServerResponse) => void | Promise<void>
  /** Everything else: health, metadata. */
  readonly other: (request: SeenRequest, response: ServerResponse, state: State) => void
}

/** A server with these routes. */
export const serve = (routes: Routes): Effect.Effect<ModelServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state: State = { ready: true, fault: undefined }
    const server = yield* http((request, response) => {
      if (!routes.isPredict(request)) return routes.other(request, response, state)
      if (state.fault !== undefined) return state.fault(request, response)
      return routes.predict(request, response)
    })
    return { ...server, state }
  })

export const isTheImage = (bytes: Uint8Array): boolean => Buffer.compare(bytes, image) === 0

/** The fields and files of a form, parsed by the platform. */
export const formOf = async (body: Buffer, headers: IncomingMessage["headers"]) => {
  const form = await new Response(Uint8Array.from(body), {
    headers: { "content-type": headers["content-type"] ?? "" }
  }).formData()
  const files = new Map<string, { readonly name: string; readonly bytes: Uint8Array }>()
  const fields = new Map<string, string>()
  for (const [key, value] of form.entries()) {
    if (typeof value === "string") fields.set(key, value)
    else files.set(key, { name: value.name, bytes: new Uint8Array(await value.arrayBuffer()) })
  }
  return { files, fields }
}

/** Parsed JSON, of which a server takes what it knows. */
export const jsonOf = (body: Buffer) => JSON.parse(body.toString())

export const sendText = (response: ServerResponse, text: string, status = 200) =>
  void response.writeHead(status, { "content-type": "text/plain" }).end(text)

export const sendPng = (response: ServerResponse, png: Uint8Array) =>
  void response.writeHead(200, { "content-type": "image/png" }).end(png)

export { sendJson }
