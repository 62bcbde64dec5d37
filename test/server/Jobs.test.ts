/** `/v1/jobs` over a real socket and a real folder: done once, whatever happens meanwhile. */
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { ServiceUnavailable } from "effect-segformer"
import { Fixtures } from "effect-segformer/testing"
import { unzipSync } from "fflate"
import { eventually } from "../support/Eventually.ts"
import * as Folder from "../support/Folder.ts"
import { passing } from "../support/Passing.ts"
import { ask, form, type Json, type Predict, serve } from "./support.ts"

const submit = (url: string, names: ReadonlyArray<string>, headers: Record<string, string> = {}) =>
  ask(`${url}/v1/jobs`, {
    ...form("image", ...names.map((name) => [name, Fixtures.image] as const)),
    headers
  })

/** Asks until the job is over. */
const over = (url: string, jobId: unknown, headers: Record<string, string> = {}): Effect.Effect<Json> =>
  Effect.gen(function* () {
    const status = Effect.map(ask(`${url}/v1/jobs/${String(jobId)}`, { headers }), ({ json }) => json)
    let job: Json = {}
    yield* eventually(async () => {
      job = await Effect.runPromise(status)
      return job["status"] !== "queued" && job["status"] !== "running"
    }, "the job to be over")
    return job
  })

const statuses = ({ images }: Json) =>
  (images as ReadonlyArray<Json>).map(({ index, name, status }) => [index, name, status])

/** A prediction that is counted, and held until it is let go. */
const held = () => {
  const go = Deferred.makeUnsafe<void>()
  let calls = 0
  const predict: Predict = () =>
    Effect.suspend(() => {
      calls++
      return Effect.as(Deferred.await(go), Fixtures.prediction)
    })
  return { predict, go: Deferred.succeed(go, undefined), calls: () => calls }
}

describe("jobs", () => {
  it.live("are taken at once, done later, and give each result and all of them as a zip", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const taken = yield* submit(url, ["a.png", "../b b.png"])
      assert.strictEqual(taken.status, 202)
      const id = String(taken.json["jobId"])
      assert.strictEqual(taken.headers.get("location"), `/v1/jobs/${id}`)
      assert.strictEqual(taken.headers.get("retry-after"), "1")
      const job = yield* over(url, id)
      assert.deepInclude(job, { status: "succeeded", total: 2, done: 2, failed: 0, model: "test" })
      // Kept for a day.
      const [created, expires] = [job["createdAt"], job["expiresAt"]].map((at) => Date.parse(String(at)))
      assert.isAtLeast(expires! - created!, 24 * 3_600_000)

      const direct = yield* ask(`${url}/v1/segment`, {
        method: "POST",
        body: Uint8Array.from(Fixtures.image)
      })
      const one = yield* ask(`${url}/v1/jobs/${id}/images/0`)
      assert.deepStrictEqual(one.json["classes"], direct.json["classes"])
      const png = yield* ask(`${url}/v1/jobs/${id}/images/1`, { headers: { accept: "image/png" } })
      assert.strictEqual(png.headers.get("content-type"), "image/png")

      const zip = yield* ask(`${url}/v1/jobs/${id}/result`)
      const files = unzipSync(zip.body)
      assert.sameMembers(Object.keys(files), [
        "job.json",
        "0-a.labels.png",
        "0-a.json",
        "1-b_b.labels.png",
        "1-b_b.json"
      ])
      assert.deepStrictEqual(Buffer.from(files["1-b_b.labels.png"]!), png.body)
    })
  )

  it.live("end an image that cannot be segmented, and go on with the rest", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const data = new FormData()
      data.append("image", new Blob(["no image"]), "note.txt")
      data.append("image", new Blob([Uint8Array.from(Fixtures.image)]), "a.png")
      const { json } = yield* ask(`${url}/v1/jobs`, { method: "POST", body: data })
      const job = yield* over(url, json["jobId"])
      assert.deepInclude(job, { status: "succeeded", done: 1, failed: 1 })
      const [first] = job["images"] as ReadonlyArray<{ readonly error?: { readonly tag: string } }>
      assert.strictEqual(first?.error?.tag, "NotAnImage")
      const answer = yield* ask(`${url}/v1/jobs/${String(json["jobId"])}/images/0`)
      assert.strictEqual(answer.status, 400)
      assert.strictEqual((answer.json["error"] as Json)["tag"], "NotAnImage")
    })
  )

  it.effect("try again what may pass", () =>
    Effect.gen(function* () {
      let calls = 0
      const { url } = yield* serve(() =>
        ++calls === 1
          ? Effect.fail(new ServiceUnavailable({ service: "http://behind", status: 503, detail: "" }))
          : Effect.succeed(Fixtures.prediction)
      )
      const { json } = yield* submit(url, ["a.png"])
      assert.deepInclude(yield* passing(over(url, json["jobId"])), { status: "succeeded", done: 1 })
    })
  )

  it.live("are made once for one Idempotency-Key, and refuse it for other images", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const key = { "idempotency-key": "k1" }
      const [first, second] = yield* Effect.all([submit(url, ["a.png"], key), submit(url, ["a.png"], key)], {
        concurrency: 2
      })
      assert.strictEqual(first.json["jobId"], second.json["jobId"])
      const other = yield* submit(url, ["other.png"], key)
      assert.strictEqual(other.status, 409)
      assert.notStrictEqual((yield* submit(url, ["a.png"])).json["jobId"], first.json["jobId"])
    })
  )

  it.live("can be cancelled: what is under way is let go, what is done stays", () =>
    Effect.gen(function* () {
      const { calls, go, predict } = held()
      const { url } = yield* serve(predict)
      const { json } = yield* submit(url, ["a.png", "b.png"])
      const place = `${url}/v1/jobs/${String(json["jobId"])}`
      yield* eventually(() => calls() > 0)
      assert.strictEqual((yield* ask(`${place}/result`)).status, 409)
      const cancelled = yield* ask(place, { method: "DELETE" })
      assert.strictEqual(cancelled.json["status"], "cancelled")
      assert.deepStrictEqual(statuses(cancelled.json), [
        [0, "a.png", "cancelled"],
        [1, "b.png", "cancelled"]
      ])
      assert.strictEqual((yield* ask(place, { method: "DELETE" })).json["status"], "cancelled")
      assert.strictEqual((yield* ask(`${place}/images/0`)).status, 409)
      // The next job is done, and nothing of the cancelled one was begun before it.
      yield* go
      const next = yield* submit(url, ["c.png"])
      assert.deepInclude(yield* over(url, next.json["jobId"]), { status: "succeeded", done: 1 })
      assert.strictEqual(calls(), 2)
    })
  )

  it.live("survive a restart: what is done is not done again", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.folder()
      let calls = 0
      const done = () => calls
      const twice: Predict = () => (++calls === 2 ? Effect.never : Effect.succeed(Fixtures.prediction))
      const id = yield* Effect.scoped(
        Effect.gen(function* () {
          const { url } = yield* serve(twice, { jobs: { folder } })
          const { json } = yield* submit(url, ["a.png", "b.png"])
          yield* eventually(() => done() === 2)
          return String(json["jobId"])
        })
      )
      // What a crash leaves: half a file, half a job.
      writeFileSync(join(folder, id, ".segformer-0123456789abcdef.part"), "{")
      const { url } = yield* serve(twice, { jobs: { folder } })
      assert.deepInclude(yield* over(url, id), { status: "succeeded", done: 2 })
      assert.strictEqual(done(), 3)
      assert.notInclude(readdirSync(join(folder, id)).join(), ".part")
    })
  )

  it.live("are one caller's own", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { tokens: [Redacted.make("one"), Redacted.make("two")] })
      const as = (token: string) => ({ authorization: `Bearer ${token}` })
      const { json } = yield* submit(url, ["a.png"], as("one"))
      const id = String(json["jobId"])
      yield* over(url, id, as("one"))
      for (const [path, init] of [
        ["", {}],
        ["", { method: "DELETE" }],
        ["/result", {}],
        ["/images/0", {}]
      ] as const) {
        assert.strictEqual(
          (yield* ask(`${url}/v1/jobs/${id}${path}`, { ...init, headers: as("two") })).status,
          404
        )
        assert.strictEqual((yield* ask(`${url}/v1/jobs/${id}${path}`, init)).status, 401)
      }
    })
  )

  it.effect("are gone once their time is over, and leave nothing", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.folder()
      const { url } = yield* serve(undefined, { jobs: { folder, keepFor: "1 day" } })
      const { json } = yield* submit(url, ["a.png"])
      const place = `${url}/v1/jobs/${String(json["jobId"])}`
      assert.deepInclude(yield* passing(over(url, json["jobId"])), { status: "succeeded" })
      const expired = eventually(() => fetch(place).then(({ status }) => status === 404), "the job to expire")
      yield* TestClock.adjust("1 day")
      yield* passing(expired, () => 250)
      yield* eventually(() => readdirSync(folder).every((name) => name === "lock"), "its files to go")
    })
  )

  it.live("say what is wrong with a request", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { jobs: { maxStoredBytes: 10 } })
      const errorOf = ({ json }: { readonly json: Json }) => (json["error"] as Json)["tag"]
      assert.strictEqual(errorOf(yield* submit(url, [])), "BadRequest")
      assert.strictEqual(errorOf(yield* submit(url, ["a.png"])), "InsufficientStorage")
      assert.strictEqual(
        errorOf(yield* ask(`${url}/v1/jobs?model=other`, form("image", ["a.png", Fixtures.image]))),
        "NotFound"
      )
      assert.strictEqual(errorOf(yield* ask(`${url}/v1/jobs/..%2f..%2fetc`)), "NotFound")
      const off = yield* serve(undefined, { jobs: false })
      assert.strictEqual((yield* submit(off.url, ["a.png"])).status, 404)
    })
  )

  it.live("count what they take on disk, and how many they are", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 64 }, (_, n) => `${n}-${"x".repeat(200)}.png`)
      const tiny = (url: string) =>
        ask(
          `${url}/v1/jobs`,
          form("image", ...names.map((name): readonly [string, Uint8Array] => [name, Uint8Array.of(1)]))
        )
      // 64 images of a byte take 64 blocks, and names are bytes too.
      const small = yield* serve(undefined, { jobs: { maxStoredBytes: 64 * 4096 } })
      assert.strictEqual((yield* tiny(small.url)).status, 507)
      const folder = yield* Folder.folder()
      const large = yield* serve(undefined, {
        jobs: { folder, maxStoredBytes: 3 * 200 * 4096, maxJobs: 100 }
      })
      let taken = 0
      while ((yield* tiny(large.url)).status === 202) taken++
      assert.isAtLeast(taken, 1)
      assert.isAtMost(taken, 4)
      const few = yield* serve(undefined, { jobs: { maxJobs: 2 } })
      assert.strictEqual((yield* submit(few.url, ["a.png"])).status, 202)
      assert.strictEqual((yield* submit(few.url, ["b.png"])).status, 202)
      assert.strictEqual((yield* submit(few.url, ["c.png"])).status, 507)
    })
  )

  it.live("are refused a folder that another server works on", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.folder()
      yield* serve(undefined, { jobs: { folder } })
      const error = yield* Effect.flip(serve(undefined, { jobs: { folder } }))
      assert.strictEqual(error._tag, "CannotKeepJobs")
    })
  )

  it.live("whoever is being told of an end when the server stops hears the rest of it", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const began = yield* Deferred.make<void>()
      const onEnd = ({ status }: { readonly status: string }) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(began, undefined)
          yield* Effect.sleep("50 millis")
          said.push(status)
        })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { url } = yield* serve(undefined, { jobs: { onEnd } })
          yield* submit(url, ["a.png"])
          yield* Deferred.await(began)
        })
      )
      assert.deepStrictEqual(said, ["succeeded"])
    })
  )
})
