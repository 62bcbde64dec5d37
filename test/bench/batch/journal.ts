/**
 * The journal alone, as a run uses it at 160 images a second: each image is looked for by its key and its content, then
 * added, and every sixteenth is written to the disk with those before it.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect } from "effect"
import * as Journal from "../../../src/batch/Journal.ts"

const count = 4_800
const folder = mkdtempSync(join(tmpdir(), "segformer-bench-"))

const add = (journal: Journal.Journal, i: number) => {
  const key = `${Math.floor(i / 1000)}/image-${i}.png`
  const content = (i * 2_654_435_761).toString(16).padStart(32, "0")
  return Effect.gen(function* () {
    if ((yield* journal.find(key)) !== undefined || (yield* journal.findContent(content)) !== undefined) {
      throw new Error(key)
    }
    yield* journal.add({ key, content, width: 640, height: 480, attempts: 1, millis: 51.2, records: {} })
    if (i % 16 === 15) yield* journal.commit
  })
}

const cpuMs = await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const journal = yield* Journal.open(folder, Effect.void)
      const cpu = process.cpuUsage()
      for (let i = 0; i < count; i++) yield* add(journal, i)
      const { system, user } = process.cpuUsage(cpu)
      return (system + user) / 1000
    })
  ).pipe(Effect.provide(NodeFileSystem.layer))
)
rmSync(folder, { recursive: true, force: true })
process.send?.(cpuMs / count)
