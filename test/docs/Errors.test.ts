import { globSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { SegmentationError } from "effect-segformer"

const tags = SegmentationError.members.map((member) => member.identifier)

describe("docs", () => {
  it("docs/errors.md has an entry for each tag, and no other", () => {
    const entries = Array.from(
      readFileSync("docs/errors.md", "utf8").matchAll(/^\*\*(\w+)\*\*/gm),
      (match) => match[1]!
    )
    assert.deepStrictEqual(entries.sort(), [...tags].sort())
  })

  it("README.md names each tag in its table, and no other", () => {
    const table = readFileSync("README.md", "utf8").split("| when | tags |")[1]!.split("\n\n")[0]!
    const named = Array.from(table.matchAll(/`(\w+)`/g), (match) => match[1]!)
    assert.deepStrictEqual(named.sort(), [...tags].sort())
  })

  it("docs/errors.md has a row for each error of the other rooms, and no other", () => {
    const made = /class (\w+) extends [^{]*?(?:\{[^}]*\}\))?<\1>\(\)\(\s*"\1"/g
    // Those of the command, of an answer of the server, and of a lock are told as others.
    const inner = new Set(["Refusal", "Locked"])
    const errors = globSync("src/**/*.ts", { exclude: ["src/cli/**", "src/server/page/**"] }).flatMap(
      (path) => Array.from(readFileSync(path, "utf8").matchAll(made), (match) => match[1]!)
    )
    const others = errors.filter((name) => !inner.has(name) && !tags.some((tag) => tag === name))
    const table = readFileSync("docs/errors.md", "utf8").split("## Beyond a segmentation")[1]!
    const rows = Array.from(table.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm), (match) => match[1]!)
    const named = rows.flatMap((row) => Array.from(row.matchAll(/\w+/g), ([name]) => name))
    assert.deepStrictEqual(named.sort(), others.sort())
  })
})
