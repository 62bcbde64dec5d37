/** What services really answer, over real sockets, by both clients: read as it is meant, or refused with what to do. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Redacted, References } from "effect"
import { ImageSource } from "effect-segformer"
import { Custom, HuggingFace, Inspection, InspectionService } from "effect-segformer/http"
import { SharpCodec } from "effect-segformer/sharp"
import { http, sendJson, tcp, type TestServer } from "../support/TestServer.ts"
import {
  base64,
  grey,
  idsOf,
  image,
  inspected,
  json,
  listed,
  made,
  platforms,
  quiet,
  raw,
  rgb,
  rows,
  run,
  truth
} from "./wire.ts"
import { readable } from "./wireReadable.ts"
import { refused } from "./wireRefused.ts"

describe.each(platforms)("answers over %s", (_, client) => {
  it.live.each(readable)("are read: %s", ([, protocol, handler, expected]) =>
    Effect.gen(function* () {
      const server = yield* http(handler)
      const found = yield* run(server.url, yield* made(protocol))
      assert.deepStrictEqual(yield* idsOf(found), expected)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live.each(refused)("are refused: %s", ([, protocol, handler, tag, message]) =>
    Effect.gen(function* () {
      const server = yield* http(handler)
      const error = yield* Effect.flip(run(server.url, yield* made(protocol), { policy: { retry: false } }))
      assert.strictEqual(error._tag, tag)
      assert.match(error.message, message)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live("names go by ids that are texts", () =>
    Effect.gen(function* () {
      const classes = [
        { id: "1", name: "road" },
        { id: "2", name: "tree" },
        { id: "0", name: "sky" }
      ]
      const server = yield* http(json({ mask: rows(), classes }))
      const found = yield* run(server.url, Custom.make())
      assert.deepStrictEqual(
        found.classes.map(({ id, name }) => `${id} ${name}`),
        ["0 sky", "1 road", "2 tree"]
      )
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live.each([
    ["gbk", "gbk", [0xc1, 0xa3, 0xd7, 0xd3], "\u7c92\u5b50"],
    ["ISO-8859-1", '"ISO-8859-1"', [0x63, 0xe9], "c\u00e9"],
    // What Java's servers say of JSON that is UTF-8.
    ["ISO-8859-1, which it is not", "ISO-8859-1", [0x63, 0xc3, 0xa9], "c\u00e9"],
    ["a charset that there is none", "klingon", [0x63, 0xc3, 0xa9], "c\u00e9"]
  ] as const)("names of classes are read in their charset: %s", ([, charset, bytes, expected]) =>
    Effect.gen(function* () {
      const [before, after] = JSON.stringify({ mask: rows(), classes: ["NAME", "road", "tree"] }).split(
        "NAME"
      )
      const body = Buffer.concat([Buffer.from(before ?? ""), Buffer.from(bytes), Buffer.from(after ?? "")])
      const server = yield* http(raw(body, { "content-type": `application/json; charset=${charset}` }))
      const found = yield* run(server.url, Custom.make())
      assert.strictEqual(found.classes[0]?.name, expected)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live("measures that are NaN cost no region, and pictures stay", () =>
    Effect.gen(function* () {
      const body = JSON.stringify(
        inspected({ overlay_image: base64(rgb(truth)) }, { circularity: 77 })
      ).replace("77", "NaN")
      const server = yield* http(raw(body))
      const found = yield* run(server.url, Inspection.protocol)
      assert.deepStrictEqual(
        (yield* found.regions).map(({ area, circularity }) => [area, circularity]),
        [[1, 1]]
      )
      assert.isDefined(found.pictures.overlay)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live("what was left out is told in a debug line", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const server = yield* http(json([{ ...listed[1], score: "high" }]))
      yield* run(server.url, HuggingFace.protocol).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
      assert.isTrue(lines.some((line) => line.includes("`0.score`")))
    }).pipe(Effect.provide([client, SharpCodec.layer]), Effect.scoped)
  )

  it.live.each([
    { retry_after: 0.2 },
    { error: { retry_after: "0.2" } },
    { retryAfterMs: 200 },
    { detail: "slow", retry_after: "0.2 seconds" },
    { detail: "slow", "retry-after": "0.2s" }
  ])("a body of 429 says how long to wait: %j", (body) =>
    Effect.gen(function* () {
      const server: TestServer = yield* http((request, response) =>
        (server.requests.length === 1 ? json(body, 429) : json({ mask: rows() }))(request, response)
      )
      const error = yield* Effect.flip(run(server.url, Custom.make(), { policy: { retry: false } }))
      assert.strictEqual(
        error._tag === "RateLimited" &&
          error.retryAfter !== undefined &&
          String(error.message).includes("200ms"),
        true
      )
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live("what is no HTTP is said so, and not sent again", () =>
    Effect.gen(function* () {
      let connections = 0
      const server = yield* tcp((socket) => {
        connections++
        socket.end("220 mail.example.com ESMTP\r\n")
      })
      const error = yield* Effect.flip(run(server.url, Custom.make()))
      assert.match(error.message, /is no HTTP/)
      assert.isFalse(error.isRetryable)
      assert.strictEqual(connections, 1)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live("masks lie at the service, or where it is allowed, and nowhere else", () =>
    Effect.gen(function* () {
      const files = yield* http((request, response) =>
        request.path === "/gone.png" ? void response.writeHead(404).end() : void response.end(grey(truth))
      )
      const server = yield* http((request, response) =>
        request.path === "/predict"
          ? sendJson(response, { mask: request.headers["x-place"] })
          : void response.end(grey(truth))
      )
      const at = (place: string, hosts: ReadonlyArray<string> = []) =>
        run(server.url, Custom.make({ hosts }), {
          headers: { "x-place": place },
          apiKey: Redacted.make("a-key-1"),
          policy: { retry: false }
        })
      assert.deepStrictEqual(yield* idsOf(yield* at("/masks/1.png")), truth)
      assert.deepStrictEqual(yield* idsOf(yield* at(`${server.url}/masks/1`)), truth)
      assert.deepStrictEqual(yield* idsOf(yield* at(`${files.url}/1.png`, [new URL(files.url).host])), truth)
      assert.isUndefined(files.requests[0]?.headers["authorization"])
      assert.strictEqual((yield* Effect.flip(at(`${files.url}/1.png`)))._tag, "InvalidUrl")
      const gone = yield* Effect.flip(at(`${files.url}/gone.png`, [new URL(files.url).host]))
      assert.match(gone.message, /The file is gone/)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live("each attempt has a file name of its own, in ASCII", () =>
    Effect.gen(function* () {
      const server: TestServer = yield* http((request, response) =>
        (server.requests.length < 3 ? json({ error: "no" }, 500) : json(inspected()))(request, response)
      )
      yield* run(server.url, Inspection.protocol)
      yield* run(server.url, Inspection.protocol)
      const sent = server.requests.map(
        ({ body }) => /filename="([^"]*)"/.exec(body.toString("latin1"))?.[1] ?? ""
      )
      assert.strictEqual(new Set(sent).size, 4)
      for (const name of sent) assert.match(name, /^plate_7_-[0-9a-f]{16}\.png$/)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live("a body over the service's limit is never sent, however its files add up", () =>
    Effect.gen(function* () {
      const server = yield* http(json(inspected()))
      const large = (bytes: number) =>
        ImageSource.bytes(Buffer.concat([image, Buffer.alloc(bytes - image.length)]), { name: "a.png" })
      const service = yield* InspectionService.make({ baseUrl: server.url })
      const limit = 50 * 1024 * 1024
      for (const sources of [[large(limit - 40)], [large(limit / 2), large(limit / 2)]]) {
        const error = yield* Effect.flip(service.uploadBatch(sources))
        assert.strictEqual(error._tag, "ImageTooLarge")
      }
      assert.strictEqual(server.requests.length, 0)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live.each([
    [
      "a model that is not loaded, in any language",
      { success: false, error: "\u6a21\u578b\u672a\u52a0\u8f7d" },
      {},
      "ModelLoading"
    ],
    ["one that is busy", { success: false, error: "too many" }, { "retry-after": "0" }, "ServiceUnavailable"],
    ["a gateway", "<html><title>503</title></html>", {}, "ServiceUnavailable"]
  ] as const)("503 of the inspection service is known by its shape: %s", ([, body, headers, tag]) =>
    Effect.gen(function* () {
      const server = yield* http(json(body, 503, headers))
      const error = yield* Effect.flip(run(server.url, Inspection.protocol, { policy: { retry: false } }))
      assert.strictEqual(error._tag, tag)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )

  it.live("a body that was too large is not sent again, though the status is 500", () =>
    Effect.gen(function* () {
      const said = "413 Request Entity Too Large: The data value transmitted exceeds the capacity limit."
      const server = yield* http(json({ success: false, error: said }, 500))
      const error = yield* Effect.flip(run(server.url, Inspection.protocol))
      assert.strictEqual(error._tag, "RequestRejected")
      assert.strictEqual("concerns" in error && error.concerns, "image")
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.provide([client, quiet]), Effect.scoped)
  )
})
