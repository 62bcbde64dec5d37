/** Attempts to download a file of a Hub that has no digest of it, and what each leaves for the next. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import * as HubFile from "../../src/onnx/native/HubFile.ts"
import { folder } from "../support/Folder.ts"

const file = "0123456789"

interface Answer {
  readonly status?: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

const part = (range: string, body: string, status = 206): Answer => ({
  status,
  body,
  headers: { "content-range": range }
})

/** What comes of an attempt for each answer, the first of which brings the beginning; and the ranges that were asked for. */
const attempts = (answers: ReadonlyArray<Answer>) =>
  Effect.gen(function* () {
    const at = yield* folder()
    const ranges: Array<string | undefined> = []
    const client = HttpClient.make((request) =>
      Effect.sync(() => {
        const { body = "", ...init } = answers[ranges.length]!
        ranges.push(request.headers["range"])
        return HttpClientResponse.fromWeb(request, new Response(body, init))
      })
    )
    const layer = Layer.merge(NodeFileSystem.layer, Layer.succeed(HttpClient.HttpClient, client))
    const ends: Array<string> = []
    yield* Effect.gen(function* () {
      const hub = yield* HubFile.connect({
        endpoint: "https://hub.example",
        token: undefined,
        model: "owner/model"
      })
      const info = { commit: undefined, size: file.length, etag: undefined }
      for (const _ of answers) {
        const result = yield* Effect.result(hub.download("main", "model.onnx", info, join(at, "model.onnx")))
        ends.push(
          result._tag === "Success" ? readFileSync(join(at, "model.onnx"), "utf8") : result.failure.message
        )
      }
    }).pipe(Effect.provide(layer))
    return { ends, ranges, names: readdirSync(at) }
  }).pipe(Effect.scoped)

const begun = { body: "0123" }

describe("a file of the Hub", () => {
  it.live.each<readonly [string, Answer]>([
    ["from another place", part("bytes 6-9/10", "6789")],
    ["as the whole", part("bytes 4-9/10", "456789", 200)],
    ["from no place", { status: 206, body: "456789" }],
    ["with more than it says", part("bytes 4-5/10", "45XXXX")]
  ])("is not put together from a part that comes %s", ([, answer]) =>
    Effect.gen(function* () {
      const { ends, names, ranges } = yield* attempts([begun, answer, { body: file }])
      assert.match(ends[1]!, /starting over/)
      assert.deepStrictEqual([ends[2], names], [file, ["model.onnx"]])
      assert.deepStrictEqual(ranges, [undefined, "bytes=4-", undefined])
    })
  )

  it.live("is no part of it, where all was asked for", () =>
    Effect.gen(function* () {
      for (const status of [200, 206]) {
        const { ends, names } = yield* attempts([part("bytes 4-9/10", "456789", status)])
        assert.include(ends[0]!, "a part came that was not asked for (bytes 4-9/10)")
        assert.deepStrictEqual(names, [])
      }
    })
  )

  it.live("goes on where it broke, and may come as a part that is all of it", () =>
    Effect.gen(function* () {
      const rest = yield* attempts([begun, part("bytes 4-9/10", "456789")])
      assert.deepStrictEqual([rest.ends[1], rest.ranges], [file, [undefined, "bytes=4-"]])
      const whole = yield* attempts([begun, part("bytes 0-9/10", file)])
      assert.deepStrictEqual(whole.ends[1], file)
    })
  )

  it.live("is asked for again no sooner than its server says", () =>
    Effect.gen(function* () {
      const waits: Array<number | undefined> = []
      const answers: ReadonlyArray<ResponseInit> = [
        { status: 503, headers: { "retry-after": "7" } },
        { status: 429, headers: { ratelimit: '"api";r=0;t=55' } },
        { status: 500 }
      ]
      for (const answer of answers) {
        const client = HttpClient.make((request) =>
          Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(null, answer)))
        )
        const layer = Layer.merge(NodeFileSystem.layer, Layer.succeed(HttpClient.HttpClient, client))
        const failure = yield* Effect.gen(function* () {
          const hub = yield* HubFile.connect({
            endpoint: "https://hub.example",
            token: undefined,
            model: "a/b"
          })
          return yield* Effect.flip(hub.head("main", "config.json"))
        }).pipe(Effect.provide(layer))
        const wait = "retryAfter" in failure ? failure.retryAfter : undefined
        waits.push(wait && Duration.toSeconds(wait))
      }
      assert.deepStrictEqual(waits, [7, 55, undefined])
    })
  )
})
