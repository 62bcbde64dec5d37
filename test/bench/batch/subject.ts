/**
 * One subject of the `batch` benchmark over the service, in a process of its own: it works through the folder of
 * images as often as it is told, each time into a new folder.
 */
import { once } from "node:events"
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Effect } from "effect"
import type { Journal } from "../../../src/batch/Journal.ts"
import { pLimit, undici } from "./peers.ts"

const [subject = "", port = "", images = "", concurrent = ""] = process.argv.slice(2)
const concurrency = Number(concurrent)
const baseUrl = `http://127.0.0.1:${port}`

/** What people write by hand: it remembers nothing, and looks at nothing. */
const bare = async (out: string): Promise<void> => {
  const { Agent, request } = await undici()
  const { default: makeLimit } = await pLimit()
  const limit = makeLimit(concurrency)
  const dispatcher = new Agent()
  await mkdir(out, { recursive: true })
  const names = await readdir(images)
  await Promise.all(
    names.map((name) =>
      limit(async () => {
        const body = await readFile(join(images, name))
        const headers = { "content-type": "image/png" }
        const answer = await request(`${baseUrl}/predict`, { method: "POST", dispatcher, headers, body })
        if (answer.statusCode !== 200) throw new Error(String(answer.statusCode))
        const labels = new Uint8Array(await answer.body.arrayBuffer())
        await writeFile(join(out, `${name}.part`), labels)
        await rename(join(out, `${name}.part`), join(out, name))
      })
    )
  )
}

/** A journal that remembers nothing. */
const forgetful = async () => {
  const { Effect, Stream } = await import("effect")
  return (): Effect.Effect<Journal> =>
    Effect.sync(() => {
      let done = 0
      return {
        find: () => Effect.succeed(undefined),
        findAlike: () => Effect.undefined,
        findContent: () => Effect.succeed(undefined),
        redo: () => Effect.void,
        renew: () => Effect.undefined,
        add: () => Effect.sync(() => void done++),
        commit: Effect.void,
        lines: Stream.empty,
        record: () => Effect.succeed(""),
        done: () => done,
        failed: () => 0,
        broken: 0,
        lost: 0
      }
    })
}

/** This library, with everything on: limits, policy, validation, hashes, files made to last, and the journal or none. */
const ours =
  (remembers: boolean) =>
  async (out: string): Promise<void> => {
    const { Effect, Layer } = await import("effect")
    const NodeFileSystem = await import("@effect/platform-node/NodeFileSystem")
    const { Batch, BatchSource, Sinks } = await import("../../../src/batch/index.ts")
    const { Custom, SegFormerHttp } = await import("../../../src/http/index.ts")
    const { NodeHttp } = await import("../../../src/service/node.ts")
    const options = {
      source: BatchSource.folder(images),
      sinks: [Sinks.labels({ folder: out })],
      folder: join(out, ".segformer"),
      concurrency
    }
    const service = SegFormerHttp.layer({
      baseUrl,
      protocol: Custom.make({ body: { as: "raw" } }),
      policy: { concurrency }
    }).pipe(Layer.provide(NodeHttp.layer()))
    const program = remembers ? Batch.run(options) : Effect.scoped(Batch.runWith(await forgetful(), options))
    const { settled } = await Effect.runPromise(
      program.pipe(Effect.provide(service), Effect.provide(NodeFileSystem.layer))
    )
    if (settled.failed > 0) throw new Error(`${settled.failed} images failed`)
  }

const work = subject === "undici and p-limit" ? bare : ours(subject === "effect-segformer")
process.on("SIGINT", () => process.exit(0))
for (;;) {
  const [out] = (await once(process, "message")) as [string]
  const cpu = process.cpuUsage()
  const started = performance.now()
  await work(out)
  const seconds = (performance.now() - started) / 1000
  const { system, user } = process.cpuUsage(cpu)
  process.send?.({ seconds, cpuMs: (system + user) / 1000 })
}
