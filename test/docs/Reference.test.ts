/** The API reference, which is made from the sources and not committed, has what the package exports. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Drawing from "./Drawing.ts"
import * as Reference from "./Reference.ts"

let pages: ReadonlyMap<string, string> = new Map()
beforeAll(async () => {
  pages = await Effect.runPromise(Reference.generate)
})

describe("the API reference", () => {
  it("has a page for each entry of the package, and an index of them", () => {
    assert.deepStrictEqual([...pages.keys()].sort(), [...Reference.names].sort())
    const index = pages.get("README.md") ?? ""
    for (const name of Reference.names) if (name !== "README.md") assert.include(index, `](${name})`)
    assert.include(pages.get("mask.md"), "### toLabelMap")
  })

  it("describes whatever the package exports", () => {
    const bare = [...pages].flatMap(([page, text]) =>
      Array.from(text.matchAll(/^### (\w+)\n\n```/gm), ([, name]) => `${page}: ${name}`)
    )
    // Types whose name and fields say it all may go without a sentence, but not many.
    const names = [...pages.values()].join("\n").match(/^### /gm)?.length ?? 0
    assert.isBelow(bare.length / names, 0.25, bare.join("\n"))
  })
})

describe("the pictures of the code", () => {
  for (const [name, draw] of Object.entries({ way: Drawing.way, house: Drawing.house })) {
    it(`${name}.svg is what \`npm run docs\` draws`, () => {
      const written = readFileSync(join(Reference.root, "docs", "images", `${name}.svg`), "utf8")
      assert.strictEqual(written, draw(), `docs/images/${name}.svg is out of date: run npm run docs`)
    })
  }
})
