/** Results kept for images that come again. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Transport } from "effect-segformer"
import { type Prediction } from "effect-segformer"
import { Fixtures } from "effect-segformer/testing"
import { ask, type Predict, serve, upload } from "./support.ts"

const image = (body = Fixtures.image, query = "") =>
  [`/v1/segment${query}`, { method: "POST", body: Uint8Array.from(body) } satisfies RequestInit] as const

/** Another image, to whoever compares bytes: what comes after the end of a PNG is not looked at. */
const variant = (n: number) => Uint8Array.of(...Fixtures.image, n)

const counting = () => {
  let runs = 0
  const predict: Predict = () =>
    Effect.sync((): Prediction => {
      runs++
      return Fixtures.prediction
    })
  return { predict, runs: () => runs }
}

describe("the result cache", () => {
  it.live("saves the model a second run, in every form and every dialect", () =>
    Effect.gen(function* () {
      const { predict, runs } = counting()
      const { url } = yield* serve(predict, { maxCacheBytes: 1_000_000 })
      // The process has counted what others looked up, too.
      const hits = Effect.map(ask(`${url}/metrics`), ({ body }) => {
        const [, count = "0"] =
          /segformer_cache_lookups_total\{segformer_outcome="hit"\} (\d+)/.exec(body.toString()) ?? []
        return Number(count)
      })
      const before = yield* hits
      const answers: Array<string> = []
      for (const accept of ["application/json", "application/json", "image/png", "text/csv"]) {
        const [path, init] = image()
        const { body, status } = yield* ask(url + path, { ...init, headers: { accept } })
        assert.strictEqual(status, 200)
        if (accept.endsWith("json")) answers.push(JSON.stringify(JSON.parse(body.toString()).regions))
      }
      assert.strictEqual((yield* upload(url)).status, 200)
      assert.strictEqual(runs(), 1)
      assert.strictEqual(answers[0], answers[1])
      assert.strictEqual((yield* hits) - before, 4)
    }).pipe(Effect.scoped)
  )

  it.live("keeps models apart, even those that call themselves the same", () =>
    Effect.gen(function* () {
      const here = counting()
      const there = counting()
      const { url } = yield* serve(here.predict, {
        maxCacheBytes: 1_000_000,
        models: { other: Transport.layer({ name: "test", predict: there.predict }) }
      })
      for (const query of ["", "?model=other", "", "?model=other"]) {
        const [path, init] = image(Fixtures.image, query)
        yield* ask(url + path, init)
      }
      assert.deepStrictEqual([here.runs(), there.runs()], [1, 1])
    }).pipe(Effect.scoped)
  )

  it.live("takes no more memory than it may: what was not used for longest goes", () =>
    Effect.gen(function* () {
      const { predict, runs } = counting()
      // An entry takes the 1,536 pixels and 4 kB.
      const { url } = yield* serve(predict, { maxCacheBytes: 12_000 })
      const send = (n: number) => {
        const [path, init] = image(variant(n))
        return ask(url + path, init)
      }
      for (const n of [1, 2, 1, 3]) yield* send(n)
      assert.strictEqual(runs(), 3)
      yield* send(1)
      assert.strictEqual(runs(), 3)
      yield* send(2)
      assert.strictEqual(runs(), 4)
      const { body } = yield* ask(`${url}/metrics`)
      assert.isAtMost(Number(/^segformer_cache_size_bytes (\d+)$/m.exec(body.toString())?.[1]), 12_000)
    }).pipe(Effect.scoped)
  )

  it.live("keeps no failures, and is off unless it is asked for", () =>
    Effect.gen(function* () {
      const { predict, runs } = counting()
      const { url } = yield* serve(predict, { maxCacheBytes: 1_000_000 })
      const broken = image(new TextEncoder().encode("no image"))
      for (let n = 0; n < 2; n++) assert.strictEqual((yield* ask(url + broken[0], broken[1])).status, 400)
      const without = yield* serve(predict)
      for (let n = 0; n < 2; n++) yield* ask(without.url + image()[0], image()[1])
      assert.strictEqual(runs(), 2)
    }).pipe(Effect.scoped)
  )
})
