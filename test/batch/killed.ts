/** A run that is killed, and what must hold of it in the end: that of one that was not. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert } from "@effect/vitest"
import { Effect, Result, type Scope } from "effect"
import { Coco, LabelPng } from "effect-segformer/mask"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { filesIn, labelsOf, pictures } from "./support.ts"

const program = fileURLToPath(new URL("program.ts", import.meta.url))

/** Starts a run in a process of its own. */
const start = (source: string, out: string, takes: number) => {
  const child = spawn(
    process.execPath,
    ["-C", "effect-segformer-source", program, source, out, String(takes)],
    { stdio: ["ignore", "ignore", "inherit"] }
  )
  return { child, exited: once(child, "close") }
}

/** Bytes that a run has noted of what it has done. */
const noted = (out: string): number => {
  try {
    return readFileSync(join(out, ".segformer", "journal.log")).length
  } catch {
    return 0
  }
}

/**
 * Kills a run of `count` images at `moments`: once it has noted so many bytes more, or so many milliseconds after its
 * start, while it begins. Then lets it end.
 */
export const killed = (
  count: number,
  moments: ReadonlyArray<{ readonly bytes: number } | { readonly millis: number }>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const files = pictures(count)
    const source = yield* folder(files)
    const out = yield* folder()
    const undisturbed = yield* folder()
    const toTheEnd = (out: string) =>
      Effect.map(
        Effect.promise(() => start(source, out, 0).exited),
        ([code]) => assert.strictEqual(code, 0)
      )
    yield* toTheEnd(undisturbed)
    for (const moment of moments) {
      const before = noted(out)
      const { child, exited } = start(source, out, 30)
      if ("millis" in moment) yield* Effect.sleep(moment.millis)
      else yield* eventually(() => child.exitCode !== null || noted(out) > before + moment.bytes)
      child.kill("SIGKILL")
      const [, signal] = yield* Effect.promise(() => exited)
      assert.strictEqual(signal, "SIGKILL", "the run ended before it was killed")
    }
    yield* toTheEnd(out)

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
