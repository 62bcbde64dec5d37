/** That the table of attacks is one a stranger can read, and that its rows can fail. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { play } from "./Attack.ts"
import { rows } from "./rows.ts"

describe("npm run test:attacks", () => {
  it("has at least 80 rows, each told by its kind and its words, and what must come of it", () => {
    assert.isAtLeast(rows.length, 80)
    const names = rows.map(({ attack, kind }) => `${kind}: ${attack}`)
    assert.deepStrictEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      []
    )
    for (const { must } of rows) assert.isNotEmpty(must)
  })

  it("has the kinds that docs/security.md tells of, and more rows than it says", () => {
    const page = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8")
    assert.isAbove(rows.length, Number(/plays more than (\d+) attacks/.exec(page)?.[1]))
    for (const kind of new Set(rows.map(({ kind }) => kind))) assert.include(page, `| ${kind} |`)
  })

  it("a row that does not hold says so", async () => {
    const row = { kind: "none", attack: "none", must: "hold", run: Effect.fail(new Error("it did not")) }
    assert.deepStrictEqual(await play(row), { seen: "", wrong: "it did not" })
    assert.include((await play({ ...row, run: Effect.die(new Error("a bug")) })).wrong, "a bug")
  })

  it("the doors hold", async () => {
    for (const row of rows.filter(
      ({ kind }) => kind === "Authorization" || kind === "another page's requests"
    )) {
      assert.strictEqual((await play(row)).wrong, "", row.attack)
    }
  })
})
