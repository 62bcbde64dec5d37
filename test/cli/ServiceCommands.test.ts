/** `tile`, `serve`, `worker` and `batch --db` with `--service`: a service that is called by its settings alone. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import sharp from "sharp"
import * as Model from "../http/servers/Model.ts"
import { run, start } from "../support/Command.ts"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { Postgres } from "../support/Postgres.ts"
import * as Warm from "../support/Warm.ts"
import { http, sendJson } from "../support/TestServer.ts"

/** Dark is 0 and bright is 2; the map is transposed, and lies in a field of its own. */
const lab = http(async ({ body, headers, method, path }, response) => {
  if (path === "/alive") return sendJson(response, { fine: true })
  if (method !== "PUT" || path !== "/lab/segment" || headers["x-lab-key"] !== "hunter2-of-the-lab")
    return sendJson(response, { detail: "no" }, 404)
  const { fields, files } = await Model.formOf(body, headers)
  const upload = files.get("upload")
  if (upload === undefined || fields.get("model") !== "b0") return sendJson(response, { detail: "no" }, 422)
  const { data, info } = await sharp(upload.bytes).greyscale().raw().toBuffer({ resolveWithObject: true })
  const columns = Array.from({ length: info.width }, (_, x) =>
    Array.from({ length: info.height }, (_, y) => (data[(y * info.width + x) * info.channels]! > 128 ? 2 : 0))
  )
  sendJson(response, { out: { ids: columns } })
})

const settings = (url: string) =>
  JSON.stringify({
    url,
    protocol: "custom",
    path: "/lab/segment",
    method: "PUT",
    healthPath: "/alive",
    part: "upload",
    fields: { model: "b0" },
    mask: "out.ids",
    transposed: true,
    classes: { 0: "background", 2: "scratch" },
    keyHeader: "X-Lab-Key",
    keyVariable: "LAB_KEY"
  })
const env = { LAB_KEY: "hunter2-of-the-lab" }

const [width, height] = [96, 64]
/** Right of a slope it is bright. */
const truth = LabelMap.makeUnsafe({
  width,
  height,
  data: Uint8Array.from({ length: width * height }, (_, i) =>
    (i % width) + Math.floor(i / width) / 2 > 60 ? 2 : 0
  )
})
const panel = Effect.promise(() =>
  sharp(
    Uint8Array.from(truth.data, (id) => (id === 2 ? 250 : 5)),
    { raw: { width, height, channels: 1 } }
  )
    .toColourspace("srgb")
    .png()
    .toBuffer()
)
const isTruth = (path: string) =>
  assert.deepStrictEqual(
    Array.from(Result.getOrThrow(LabelPng.decode(readFileSync(path))).data),
    Array.from(truth.data)
  )

const prepared = Effect.gen(function* () {
  const server = yield* lab
  const cwd = yield* folder({ "panel.png": yield* panel, "svc.json": settings(server.url) })
  return { cwd, server, asked: () => server.requests.filter(({ method }) => method === "PUT").length }
})

describe("--service", () => {
  it.live("of tile: each window is that service's", () =>
    Effect.gen(function* () {
      const { asked, cwd } = yield* prepared
      const args = ["tile", "panel.png", "--service", "svc.json", "--crop", "32", "--out", "labels.png"]
      const { code, stderr } = yield* run([...args, "--quiet"], { cwd, env })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.isAbove(asked(), 5)
      isTruth(join(cwd, "labels.png"))
    }).pipe(Effect.scoped)
  )

  it.live("of serve: images go on to that service, and its map and names come back", () =>
    Effect.gen(function* () {
      const { asked, cwd } = yield* prepared
      const running = yield* start(["serve", "--port", "0", "--service", "svc.json"], { cwd, env })
      yield* eventually(() => / at http:\/\/\S+/.test(running.stderr()) || running.process.exitCode !== null)
      const url = / at (http:\/\/\S+)/.exec(running.stderr())?.[1]
      assert.isDefined(url, running.stderr())
      const args = ["segment", "panel.png", "--url", url!, "--out", "found"]
      const { code, stderr, stdout } = yield* run(args, { cwd })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.strictEqual(asked(), 1)
      assert.match(stdout, /scratch/)
      isTruth(join(cwd, "found/panel.labels.png"))
      assert.notInclude(running.stderr() + running.stdout(), env.LAB_KEY)
    }).pipe(Effect.scoped)
  )
})

layer(Warm.postgres, { excludeTestServices: true })("--service, with a database of runs", (it) => {
  for (const [name, submitted, working] of [
    ["worker", [], ["--service", "svc.json"]],
    ["batch --db", ["--service", "svc.json"], []]
  ] as const) {
    it.effect(`of ${name}: the images of the run are that service's`, () =>
      Effect.gen(function* () {
        const { asked, cwd } = yield* prepared
        const database = { ...env, SEGFORMER_DB: Redacted.value(yield* Postgres.database) }
        const worker = yield* start(
          ["worker", "--port", "0", "--host", "127.0.0.1", "--takeover", "3", ...working],
          { cwd, env: database }
        )
        const args = ["batch", "panel.png", "--out", "many", "--run", "line-3", ...submitted]
        const { code, stderr } = yield* run(args, { cwd, env: database })
        assert.strictEqual(code, 0, stderr + worker.stderr())
        assert.strictEqual(asked(), 1)
        assert.isTrue(existsSync(join(cwd, "many/panel.png.labels.png")))
        isTruth(join(cwd, "many/panel.png.labels.png"))
        worker.process.kill("SIGTERM")
        const stopped = yield* Effect.promise(() => worker.ended)
        assert.strictEqual(stopped.code, 0, stopped.stderr)
        assert.notInclude(stopped.stderr + stopped.stdout, env.LAB_KEY)
      })
    )
  }
})
