import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Report from "./Report.ts"
import { absent, rows } from "./rows.ts"
import * as Tools from "./tools/Tools.ts"

describe("the table of peers", () => {
  const page = readFileSync(Report.page, "utf8")

  it("docs/proof.md has the rows that are registered, in their versions, with what is tried, and no other", () => {
    const results: Report.Results = Object.fromEntries(
      rows.map((row) => [
        row.name,
        { ...row, outcomes: row.tried.map((tried) => ({ tried, wrong: "" })), date: "2000-01-01" }
      ])
    )
    // What a machine has of Debian, and the day, are those of the run that the page was made of.
    const undated = (text: string) =>
      text.replaceAll(/\d{4}-\d\d-\d\d/g, "DAY").replaceAll(/ \S*(?= \(Debian\))/g, " VERSION")
    assert.strictEqual(
      undated(page.slice(page.indexOf("\n## "))).trim(),
      undated(`\n${Report.markdown(rows, absent, results)}`).trim()
    )
  })

  it("every row has a name of its own and says what is tried", () => {
    assert.strictEqual(new Set(rows.map(({ name }) => name)).size, rows.length)
    assert.deepStrictEqual(
      rows.filter(({ packages, tried }) => packages.length === 0 || tried.length === 0),
      []
    )
  })

  it("each tool is named by a test of the suite that tries it", () => {
    const suite = [
      "images/Images",
      "masks/Formats",
      "masks/Measures",
      "masks/Outlines",
      "masks/Regions",
      "masks/Annotations"
    ]
      .map((name) => readFileSync(`test/truth/${name}.truth.ts`, "utf8"))
      .join("\n")
    for (const test of Object.values(Tools.tools).flatMap((tried) => Object.values(tried)))
      assert.include(suite, test)
  })
})
