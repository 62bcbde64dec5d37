/** A run is killed at random moments, and what is there in the end is as if it had not been. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Coco, LabelPng } from "effect-segformer/mask"
import { filesIn, folder, labelsOf, pictures } from "./support.ts"

const program = fileURLToPath(new URL("program.ts", import.meta.url))
const count = 2000
const kills = 25

/** Starts a run in a process of its own. */
const start = (source: string, out: string, takes: number) => {
  const child = spawn(
    process.execPath,
    ["-C", "effect-segformer-source", program, source, out, String(takes)],
    {
      stdio: ["ignore", "pipe", "inherit"]
    }
  )
  let text = ""
  child.stdout.on("data", (chunk) => (text += String(chunk)))
  return { child, exited: once(child, "close").then(([code, signal]) => ({ code, signal, text })) }
}

const journalSize = (out: string): number => {
  try {
    return readFileSync(join(out, ".segformer", "journal.log")).length
  } catch {
    return 0
  }
}

/** Waits until the run belongs to this process. */
const beginning = async (out: string, child: ChildProcess): Promise<void> => {
  while (child.exitCode === null && holder(out) !== child.pid) await pause(5)
}

const holder = (out: string): unknown => {
  try {
    return JSON.parse(readFileSync(join(out, ".segformer", "lock"), "utf8")).pid
  } catch {
    return undefined
  }
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

describe("kill -9", () => {
  it.live(
    `at ${kills} random moments of a run of ${count} images leaves each in the output exactly once`,
    () =>
      Effect.gen(function* () {
        const files = pictures(count)
        const source = yield* folder(files)
        const out = yield* folder()
        const undisturbed = yield* folder()
        let killed = 0
        let moving = 0
        yield* Effect.promise(async () => {
          const done = await start(source, undisturbed, 0).exited
          assert.strictEqual(done.code, 0)
          while (killed < kills) {
            const { child, exited } = start(source, out, 30)
            const before = journalSize(out)
            // Most kills come while it works, some while it begins.
            if (killed % 5 !== 4) await beginning(out, child)
            await pause(Math.random() * 300)
            child.kill("SIGKILL")
            const { signal } = await exited
            if (signal === "SIGKILL") killed++
            else break
            if (journalSize(out) > before) moving++
          }
          const last = await start(source, out, 0).exited
          assert.strictEqual(last.code, 0)
        })
        assert.strictEqual(killed, kills, "the run ended before it was killed often enough")
        assert.isAbove(moving, 5, "it was mostly killed before it worked")

        const labels = Object.keys(files).map((name) => `${name}.labels.png`)
        assert.deepStrictEqual(filesIn(out), [...labels, "areas.csv", "coco.json"].sort())
        for (const name of labels) {
          const found = readFileSync(join(out, name))
          assert.isTrue(found.equals(readFileSync(join(undisturbed, name))), name)
        }
        // And they are right, not only alike.
        const [name = ""] = labels
        const bytes = files[name.replace(".labels.png", "")]!
        assert.deepStrictEqual(
          Result.getOrThrow(LabelPng.decode(readFileSync(join(out, name)))).data,
          labelsOf(bytes, 12, 8)
        )
        assert.deepStrictEqual(byImage(join(out, "coco.json")), byImage(join(undisturbed, "coco.json")))
        const lines = (folder: string) => readFileSync(join(folder, "areas.csv"), "utf8").split("\r\n").sort()
        assert.deepStrictEqual(lines(out), lines(undisturbed))
        assert.deepStrictEqual(readdirSync(join(out, ".segformer", "parts")), [])
      }),
    120_000
  )
})

/** What a COCO file says of each image, whatever the order. */
const byImage = (path: string) => {
  const { annotations, categories, images } = Result.getOrThrow(Coco.parse(readFileSync(path, "utf8")))
  assert.strictEqual(new Set(images.map(({ file_name }) => file_name)).size, images.length)
  assert.strictEqual(new Set(annotations.map(({ id }) => id)).size, annotations.length)
  const names = new Map(images.map(({ file_name, id }) => [id, file_name]))
  const found = new Map<string, Array<unknown>>(images.map(({ file_name }) => [file_name, []]))
  for (const { id: _, image_id, ...rest } of annotations) found.get(names.get(image_id)!)!.push(rest)
  return { categories, images: [...found].sort(([a], [b]) => (a < b ? -1 : 1)) }
}
