/** Pages that list what package.json has. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const manifest: {
  readonly exports: Record<string, unknown>
  readonly dependencies: Record<string, string>
  readonly peerDependencies: Record<string, string>
  readonly devDependencies: Record<string, string>
} = JSON.parse(readFileSync("package.json", "utf8"))

describe("docs", () => {
  it("docs/llms.txt names each entry of the package, and no other", () => {
    const line = /^- Entries: .*$/m.exec(readFileSync("docs/llms.txt", "utf8"))?.[0] ?? ""
    const named = Array.from(
      line.matchAll(/`(?:effect-segformer|(\/[a-z/]+))`/g),
      ([, path = ""]) => `.${path}`
    )
    const entries = Object.entries(manifest.exports).filter(([, target]) => typeof target === "object")
    assert.deepStrictEqual(named.sort(), entries.map(([entry]) => entry).sort())
  })

  it("docs/decisions/dependencies.md has a row for each dependency, and no other", () => {
    const page = readFileSync("docs/decisions/dependencies.md", "utf8")
    const rows = Array.from(page.matchAll(/^\| (`.+?`) \|/gm), ([, cell = ""]) =>
      Array.from(cell.matchAll(/`([^`]+)`/g), ([, name = ""]) => name)
    )
    const { dependencies, devDependencies, peerDependencies } = manifest
    const names = new Set(Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies }))
    assert.deepStrictEqual(rows.flat().sort(), [...names].sort())
  })
})
