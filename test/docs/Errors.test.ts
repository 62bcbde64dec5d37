import { readFileSync } from "node:fs"
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
})
