/** Files of a model of the web that do not come at once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { WebModel } from "effect-segformer/onnx/web"
import * as support from "./support.ts"

const files: Readonly<Record<string, string>> = {
  "model.onnx": "a graph",
  "config.json": JSON.stringify(support.config),
  "preprocessor_config.json": JSON.stringify(support.preprocessor)
}

/**
 * Answers of a service whose model fails so often, by a status or (0) by a connection that breaks, and is waited for so many
 * seconds again and again.
 */
const opened = (
  status: number,
  times: number,
  headers: Readonly<Record<string, string>> = {},
  waits: ReadonlyArray<number> = [1, 2, 4]
) =>
  Effect.gen(function* () {
    let asked = 0
    const client = HttpClient.make((request, url) => {
      const name = url.pathname.split("/").at(-1) ?? ""
      const answer = (status: number, headers: Readonly<Record<string, string>> = {}) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(request, new Response(files[name] ?? "", { status, headers }))
        )
      if (name !== "model.onnx" || ++asked > times) return answer(200)
      if (status > 0) return answer(status, headers)
      const reason = new HttpClientError.TransportError({ request, cause: new TypeError("Failed to fetch") })
      return Effect.fail(new HttpClientError.HttpClientError({ reason }))
    })
    const model = WebModel.url("https://models.example/panels").open("model")
    const fiber = yield* Effect.forkChild(
      Effect.result(Effect.provideService(model, HttpClient.HttpClient, client))
    )
    const askedBy: Array<number> = []
    for (const seconds of waits) {
      yield* TestClock.adjust(`${seconds} seconds`)
      askedBy.push(asked)
    }
    const result = yield* Fiber.join(fiber)
    const end = result._tag === "Success" ? result.success.file : result.failure._tag
    return waits.length === 3 ? [end, asked] : [end, ...askedBy]
  })

const address = "https://models.example/panels/onnx/model.onnx"

describe("a model of the web", () => {
  it.effect("is asked for again where a connection breaks or a server is not well, as services are", () =>
    Effect.gen(function* () {
      for (const status of [0, 429, 500, 503])
        assert.deepStrictEqual(yield* opened(status, 2), [address, 3], String(status))
      assert.deepStrictEqual(yield* opened(0, 9), ["ConnectionFailed", 4])
      assert.deepStrictEqual(yield* opened(503, 9), ["ServiceUnavailable", 4])
    })
  )

  it.effect("is not asked for sooner than its server says", () =>
    Effect.gen(function* () {
      const after = [29, 1] as const
      assert.deepStrictEqual(yield* opened(503, 1, { "retry-after": "30" }, after), [address, 1, 2])
      assert.deepStrictEqual(yield* opened(500, 1, { "retry-after-ms": "30000" }, after), [address, 1, 2])
      assert.deepStrictEqual(yield* opened(429, 1, { ratelimit: '"api";r=0;t=30' }, after), [address, 1, 2])
      assert.deepStrictEqual(yield* opened(503, 9, { "retry-after": "3600" }), ["ServiceUnavailable", 1])
    })
  )

  it.effect("is not a part of it that comes for the whole", () =>
    Effect.gen(function* () {
      const range = { "content-range": "bytes 0-6/100" }
      assert.deepStrictEqual(yield* opened(200, 9, range), ["ResponseNotDecodable", 1])
      assert.deepStrictEqual(yield* opened(206, 9, range), ["ResponseNotDecodable", 1])
      assert.deepStrictEqual(yield* opened(206, 9, { "content-range": "bytes 0-6/7" }), [address, 1])
    })
  )

  it.effect("that is not there is not asked for again", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* opened(404, 9), ["ModelNotLoadable", 1])
      assert.deepStrictEqual(yield* opened(403, 9), ["Unauthorized", 1])
    })
  )
})
