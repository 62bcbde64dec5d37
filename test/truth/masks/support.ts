/** Hands label maps and answers over to a Python script beside this file, and reads what it found. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { LabelMap } from "effect-segformer/mask"
import * as fc from "fast-check"
import { labelMaps } from "../../mask/support.ts"
import * as Python from "../../support/Python.ts"

/** The same maps on every run. */
export const maps = (options: {
  readonly count: number
  readonly seed: number
  readonly maxSide: number
  readonly classes: number
}): ReadonlyArray<LabelMap.LabelMap> =>
  fc.sample(labelMaps({ maxSide: options.maxSide, classes: options.classes }), {
    numRuns: options.count,
    seed: options.seed
  })

const concat = (maps: ReadonlyArray<LabelMap.LabelMap>): Uint8Array => {
  const bytes = new Uint8Array(maps.reduce((sum, { data }) => sum + data.length, 0))
  let at = 0
  for (const { data } of maps) {
    bytes.set(data, at)
    at += data.length
  }
  return bytes
}

/**
 * What a script prints, a JSON value a line. It finds the maps by `given.maps()`, and lists of answers by
 * `given.answers(name)`.
 */
export const judge = <A>(
  script: string,
  maps: ReadonlyArray<LabelMap.LabelMap>,
  answers: Readonly<Record<string, ReadonlyArray<unknown>>> = {},
  files: Readonly<Record<string, string | Uint8Array>> = {}
): ReadonlyArray<A> => {
  const folder = mkdtempSync(join(tmpdir(), "segformer-truth-"))
  try {
    writeFileSync(join(folder, "maps.json"), JSON.stringify(maps.map(({ height, width }) => [width, height])))
    writeFileSync(join(folder, "maps.bin"), concat(maps))
    for (const [name, list] of Object.entries(answers)) {
      writeFileSync(
        join(folder, `${name}.jsonl`),
        list.map((answer) => `${JSON.stringify(answer)}\n`).join("")
      )
    }
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    const printed = Python.environment("truth").run(fileURLToPath(new URL(script, import.meta.url)), [folder])
    return printed
      .split("\n")
      .filter((line) => line !== "")
      .map((line): A => JSON.parse(line))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
