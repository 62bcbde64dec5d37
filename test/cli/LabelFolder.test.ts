/** Keys of a folder's label maps, held as one text, are those that a plain table of names gives. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import * as LabelFolder from "../../src/cli/LabelFolder.ts"
import { folder } from "../support/Folder.ts"

const stem = fc.stringMatching(/^(sub\/)?[a-c][-.! 0é]?[a-c]?$/)
const ending = fc.constantFrom(
  ".png",
  ".npy",
  ".labels.png",
  ".jpg.labels.png",
  ".png.labels.png",
  ".JPEG.labels.png",
  ".jpg.npy",
  ".overlay.png",
  ".cut-out.png",
  ".hidden.png",
  ".differs.png",
  ".difference.png",
  ".json",
  ".txt"
)
const names = fc.uniqueArray(
  fc.tuple(stem, ending).map((parts) => parts.join("")),
  { minLength: 1, maxLength: 24 }
)

/** The same rules with a table. */
const expected = (names: ReadonlyArray<string>) => {
  const maps = names.filter(
    (name) =>
      /(\.png|\.npy)$/.test(name) &&
      !/\.(overlay|cut-out|hidden|differs|difference)\.png$/.test(name) &&
      // The image of a result.
      (name.endsWith(".labels.png") || !names.includes(`${name}.labels.png`))
  )
  const table = new Map<string, string>()
  for (const name of maps.toSorted()) {
    const key = name.replace(/(\.labels)?\.(png|npy)$/i, "")
    if (name.endsWith(".labels.png") || !table.has(key)) table.set(key, name)
  }
  const short = (key: string) => key.replace(/\.(jpg|png|jpeg)$/i, "")
  const shorts = [...table.keys()].map(short)
  return Array.from(table, ([whole, name]) => ({
    name,
    key: shorts.filter((other) => other === short(whole)).length === 1 ? short(whole) : whole,
    hasReport: names.includes(`${whole}.json`)
  })).sort((a, b) => (a.key < b.key ? -1 : 1))
}

describe("the label maps of a folder", () => {
  it.live("have the keys that a table of names gives, and are found by them", () =>
    Effect.gen(function* () {
      for (const sample of fc.sample(names, { numRuns: 60, seed: 7 })) {
        const root = yield* folder(Object.fromEntries(sample.map((name) => [name, ""])))
        const files = yield* LabelFolder.list(root)
        const wanted = expected(sample)
        assert.deepStrictEqual(
          Array.from(files, ({ hasReport, key, path }) => ({
            name: path.slice(root.length + 1),
            key,
            hasReport
          })),
          wanted
        )
        for (const [place, { key }] of [...wanted.entries()].reverse()) {
          assert.strictEqual(files.placeOf(key), place)
          assert.strictEqual(files.placeOf(`${key}~`), -1)
          assert.strictEqual(files.placeOf(key), place)
        }
        assert.strictEqual(files.placeOf(""), -1)
        const odd = yield* LabelFolder.list(root, (key) =>
          key.startsWith("a") ? `z${key}` : key.startsWith("b") ? key : undefined
        )
        assert.deepStrictEqual(
          Array.from(odd, ({ key }) => key),
          wanted
            .flatMap(({ key }) => (key.startsWith("a") ? [`z${key}`] : key.startsWith("b") ? [key] : []))
            .sort()
        )
      }
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )
})
