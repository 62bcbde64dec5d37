import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { rows } from "./rows.ts"

const page = new URL("../../docs/promises.md", import.meta.url)
const text = readFileSync(fileURLToPath(page), "utf8")

describe("docs/promises.md", () => {
  it("links each promise to a test that is there", () => {
    const promises = text.split("\n").filter((line) => /^\| (?!promise|the service \||-)/.test(line))
    assert.isAbove(promises.length, 20)
    for (const promise of promises) {
      const links = Array.from(promise.matchAll(/\]\(([^)]+)\)/g), (match) => match[1]!)
      assert.isAbove(links.length, 0, promise)
      for (const link of links) assert.isTrue(existsSync(fileURLToPath(new URL(link, page))), link)
    }
  })

  it("the table of faults has at least 40 rows, each of its own name", () => {
    assert.isAtLeast(rows.length, 40)
    assert.strictEqual(new Set(rows.map(({ fault }) => fault)).size, rows.length)
  })
})
