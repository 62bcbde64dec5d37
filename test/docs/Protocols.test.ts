/** Pages that list the wire protocols. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Protocols from "../../src/http/protocol/Protocols.ts"

const count = Object.keys(Protocols.all).length

describe("docs", () => {
  it("docs/protocols.md has a row for each protocol, and README.md says how many there are", () => {
    const [table = ""] = readFileSync("docs/protocols.md", "utf8").split("\n## ")
    const rows = Array.from(table.matchAll(/^\| `(\w+)` \|/gm), ([, name = ""]) => name.toLowerCase())
    assert.deepStrictEqual(rows.sort(), Object.keys(Protocols.all).sort())
    const words = ["nine", "ten", "eleven", "twelve", "thirteen"]
    assert.include(readFileSync("README.md", "utf8"), `${words[count - 9]} wire protocols`)
  })
})
