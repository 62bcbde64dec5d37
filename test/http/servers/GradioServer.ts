/**
 * A Gradio app of version 5 or later, or of 4: a file is uploaded, an endpoint called with it, and the result waited for in a
 * stream of events. Which outputs there are is for a test to say.
 */
import type { ServerResponse } from "node:http"
import { Effect, type Scope } from "effect"
import { encode } from "fast-png"
import type { SeenRequest } from "../../support/TestServer.ts"
import * as Model from "./Model.ts"

export interface Parameter {
  readonly parameter_name: string
  readonly label: string
  readonly component: string
  readonly parameter_has_default: boolean
  readonly parameter_default?: unknown
}

export const picture: Parameter = {
  parameter_name: "image",
  label: "Picture",
  component: "Image",
  parameter_has_default: false
}

export const slider: Parameter = {
  parameter_name: "threshold",
  label: "Threshold",
  component: "Slider",
  parameter_has_default: true,
  parameter_default: 0.5
}

export interface App extends Model.ModelServer {
  /** The files that it has, by their paths. */
  readonly files: Map<string, Uint8Array>
  /** What endpoints were called with. */
  readonly calls: Array<ReadonlyArray<unknown>>
}

export interface Options {
  /** `/gradio_api`, unless given. */
  readonly prefix?: string
  readonly endpoints?: Readonly<Record<string, ReadonlyArray<Parameter>>>
  /** What comes out. A label map as a picture, unless given. */
  readonly outputs?: (app: Pick<App, "files">) => ReadonlyArray<unknown>
}

export const event = (name: string, data: unknown): string =>
  `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

export const sendEvents = (response: ServerResponse, text: string) =>
  void response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" }).end(text)

/** A file as it stands among outputs. Its address is one that only the app itself would reach. */
export const fileData = (app: Pick<App, "files">, path: string, bytes: Uint8Array) => {
  app.files.set(path, bytes)
  return {
    path,
    url: `http://10.0.0.7:7860/gradio_api/file=${path}`,
    orig_name: null,
    meta: { _type: "gradio.FileData" }
  }
}

/** A section's picture: one colour throughout, whose alpha is what `alpha` says of each pixel. */
export const section = (
  alpha: (id: number) => number,
  color: readonly [number, number, number] = [255, 0, 0],
  map = Model.labels
): Uint8Array => {
  const data = new Uint8Array(map.width * map.height * 4)
  for (const [at, id] of map.data.entries()) {
    const opacity = alpha(id)
    data.set(opacity === 0 ? [0, 0, 0, 0] : [...color, opacity], at * 4)
  }
  return encode({ width: map.width, height: map.height, channels: 4, depth: 8, data })
}

const labelMap: Required<Options>["outputs"] = (app) => [
  fileData(app, "/tmp/gradio/5e1f/image.png", Model.greyPng())
]

const uploadOf = async ({ body, headers }: SeenRequest) => {
  const { files } = await Model.formOf(body, headers)
  return files.get("files")
}

export const make = (options: Options = {}): Effect.Effect<App, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { endpoints = { "/segment": [picture] }, outputs = labelMap, prefix = "/gradio_api" } = options
    const files = new Map<string, Uint8Array>()
    const calls: Array<ReadonlyArray<unknown>> = []
    const uploads = new Set<string>()
    const routes = Object.keys(endpoints).map((name) => `${prefix}/call${name}`)

    const upload = async (request: SeenRequest, response: ServerResponse) => {
      const file = await uploadOf(request)
      if (file === undefined || !Model.isTheImage(file.bytes)) return Model.sendText(response, "no file", 400)
      const path = `/tmp/gradio/${uploads.size}/${file.name}`
      uploads.add(path)
      Model.sendJson(response, [path])
    }
    const call = ({ body }: SeenRequest, response: ServerResponse) => {
      const data: ReadonlyArray<unknown> = Model.jsonOf(body).data
      calls.push(data)
      Model.sendJson(response, { event_id: `e${calls.length}` })
    }
    const knows = (value: unknown): boolean =>
      typeof value === "object" &&
      value !== null &&
      "path" in value &&
      uploads.has(String(value.path)) &&
      "meta" in value &&
      JSON.stringify(value.meta) === '{"_type":"gradio.FileData"}'

    const server = yield* Model.serve({
      isPredict: ({ method, path }) =>
        method === "GET" && routes.some((route) => path.startsWith(`${route}/`)),
      predict: (_, response) =>
        sendEvents(
          response,
          calls.at(-1)?.some(knows) === true
            ? event("heartbeat", null) + event("complete", outputs({ files }))
            : event("error", { error: "1 validation error for ImageData" })
        ),
      other: (request, response, state) => {
        const [path = ""] = request.path.split("?")
        if (path === "/config") {
          const app = { version: "6.31.0", api_prefix: prefix, components: [], dependencies: [] }
          return state.ready ? Model.sendJson(response, app) : Model.sendText(response, "starting", 503)
        }
        if (path === "/") {
          const page = "<!doctype html><html><script>window.gradio_config = {}</script></html>"
          return void response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page)
        }
        if (path === `${prefix}/info`) {
          const named_endpoints = Object.fromEntries(
            Object.entries(endpoints).map(([name, parameters]) => [name, { parameters, returns: [] }])
          )
          return Model.sendJson(response, { named_endpoints, unnamed_endpoints: {} })
        }
        if (path === `${prefix}/upload`) return void upload(request, response)
        if (request.method === "POST" && routes.includes(path)) return call(request, response)
        const file = files.get(decodeURIComponent(path.split("/file=")[1] ?? ""))
        return file === undefined || !path.startsWith(`${prefix}/file=`)
          ? Model.sendJson(response, { detail: "Not Found" }, 404)
          : Model.sendPng(response, file)
      }
    })
    return { ...server, files, calls }
  })
