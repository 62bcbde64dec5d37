import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { claimsOf, problems } from "./release.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
let folder = ""
const git = (...args: ReadonlyArray<string>) =>
  execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", ...args], { cwd: folder })

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "segformer-release-"))
  for (const file of ["package.json", "package-lock.json", "src/version.ts", "docs/changelog.md"]) {
    cpSync(join(root, file), join(folder, file))
  }
  git("init", "--quiet")
  git("add", ".")
  git("commit", "--quiet", "-m", "a")
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("a release", () => {
  it("is none without its tag, and one with it", () => {
    const before = claimsOf(folder)
    assert.deepStrictEqual(problems(before, ""), [
      `the tag says nothing, package.json says ${before["package.json"]}`
    ])
    git("tag", `v${before["package.json"]}`)
    assert.deepStrictEqual(problems(claimsOf(folder), ""), [])
  })

  it("says which file disagrees, and what is not committed", () => {
    writeFileSync(join(folder, "docs/changelog.md"), "# Changelog\n\n## 9.9.9\n")
    assert.deepStrictEqual(problems(claimsOf(folder), " M docs/changelog.md"), [
      `docs/changelog.md says 9.9.9, package.json says ${claimsOf(folder)["package.json"]}`,
      "there are uncommitted changes:\n M docs/changelog.md"
    ])
  })
})
