/** A server of ours on a free port, and requests written by hand, so that the client under test is not also the judge. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { connect } from "node:net"
import { Effect, Layer, References, type Scope } from "effect"
import { type Prediction, type SegmentationError, Transport } from "effect-segformer"
import {
  SegFormerServer,
  type SegFormerServerOptions,
  type StartError,
  WebHandler
} from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import { bridge } from "../support/WebBridge.ts"
import * as contract from "./contract.ts"

export type Predict = Parameters<typeof Transport.layer>[0]["predict"]

export const fixture: Predict = () => Effect.succeed(Fixtures.prediction)

/**
 * Which face the server is met by: Node's own, or the web handler behind what stands for a framework (the project `web` of the
 * tests, which runs most of these files once more).
 */
export const isWeb = process.env["SEGFORMER_TEST_FACE"] === "web"

const overWeb = (options: SegFormerServerOptions) =>
  Effect.gen(function* () {
    const asked = [...(options.tokens ?? []), ...(options.allowFrom ?? [])]
    const guarded = asked.length > 0 || options.authorize !== undefined
    let handler: WebHandler.WebHandler | undefined
    // Before the handler, so that this one drains while there is still a way to ask it.
    const { port } = yield* bridge((request, from) => handler!(request, from))
    handler = yield* WebHandler.make(guarded ? options : { allowAnyone: true, ...options })
    return { url: `http://127.0.0.1:${port}`, port }
  })

/** Serves a function, without retries, a log, or the page, whose files would be compressed for each server anew. */
export const serve = (
  predict: Predict = fixture,
  options?: SegFormerServerOptions,
  transport?: Partial<Parameters<typeof Transport.layer>[0]>
): Effect.Effect<SegFormerServer["Service"], StartError, Scope.Scope> =>
  Effect.provide(
    (isWeb ? overWeb : SegFormerServer.make)({ port: 0, page: false, ...options }),
    Layer.mergeAll(
      SharpCodec.layer,
      NodeFileSystem.layer,
      Transport.layer({
        name: "test",
        predict,
        describe: Effect.succeed({ name: "test", classes: Fixtures.classes }),
        ...transport
      })
    )
  ).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

/** JSON of any shape: a test says which fields it expects. */
export interface Json {
  readonly [key: string]: unknown
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
  readonly json: Json
}

/** One request by the platform's own client. What `/v1` answers is compared with its contract. */
export const ask = (url: string, init?: RequestInit): Effect.Effect<Answer> =>
  Effect.tap(fetched(url, init), (answer) => contract.check(init?.method ?? "GET", url, answer))

const fetched = (url: string, init?: RequestInit): Effect.Effect<Answer> =>
  Effect.promise(async (signal) => {
    const response = await fetch(url, { ...init, signal })
    return answerOf(response.status, response.headers, Buffer.from(await response.arrayBuffer()))
  })

const answerOf = (status: number, headers: Headers, body: Buffer): Answer => {
  const json: unknown = /json/.test(headers.get("content-type") ?? "") ? JSON.parse(body.toString()) : {}
  return { status, headers, body, json: isJson(json) ? json : {} }
}

/** An answer as it came over a socket, with the length of its body among its headers. */
export const parsed = (bytes: Buffer): Answer => {
  const end = bytes.indexOf("\r\n\r\n")
  const [line = "", ...fields] = bytes.toString("latin1", 0, end).split("\r\n")
  const headers = new Headers(
    fields.map((field): [string, string] => {
      const at = field.indexOf(":")
      return [field.slice(0, at), field.slice(at + 1).trim()]
    })
  )
  return answerOf(Number(line.split(" ")[1]), headers, bytes.subarray(end + 4))
}

/** A form with files under one part name. */
export const form = (part: string, ...files: ReadonlyArray<readonly [name: string, bytes: Uint8Array]>) => {
  const data = new FormData()
  for (const [name, bytes] of files) data.append(part, new Blob([Uint8Array.from(bytes)]), name)
  return { method: "POST", body: data }
}

/** A body of JSON. */
export const jsonBody = (body: unknown): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" }
})

export const upload = (url: string, bytes = Fixtures.image, name = "panel.png") =>
  ask(`${url}/upload`, form("image", [name, bytes]))

/** A prediction that waits until it is let go. */
export const gate = () => {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  let entered = 0
  return {
    open,
    entered: () => entered,
    predict: (): Effect.Effect<Prediction, SegmentationError> =>
      Effect.sync(() => entered++).pipe(
        Effect.andThen(Effect.promise(() => opened)),
        Effect.as(Fixtures.prediction)
      )
  }
}

/** A path as it is written: `fetch` would tidy it up. */
export const rawGet = (port: number, path: string, host = "localhost"): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
    })
    const chunks: Array<Buffer> = []
    socket.on("data", (chunk) => chunks.push(chunk))
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(Buffer.concat(chunks).toString())))
  })
