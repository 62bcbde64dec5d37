/**
 * Proves that a release is one: package.json, the lock file, src/version.ts, the head of the changelog and the tag agree,
 * and nothing is uncommitted. Run by `npm run release`; it publishes nothing.
 */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** What says which version this is, by where it says so. */
export interface Claims {
  readonly [place: string]: string | undefined
}

export const claimsOf = (root: string): Claims => {
  const read = (path: string) => readFileSync(join(root, path), "utf8")
  const git = (...args: ReadonlyArray<string>) =>
    execFileSync("git", ["-C", root, ...args], { encoding: "utf8" }).trim()
  const lock = JSON.parse(read("package-lock.json"))
  return {
    "package.json": JSON.parse(read("package.json")).version,
    "package-lock.json": lock.version,
    "package-lock.json, packages": lock.packages[""].version,
    "src/version.ts": /version = "([^"]+)"/.exec(read("src/version.ts"))?.[1],
    // What is written above it is of a version to come.
    "docs/changelog.md": /^## (\S+)$/m.exec(read("docs/changelog.md"))?.[1],
    "the tag": git("tag", "--points-at", "HEAD")
      .split("\n")
      .find((tag) => /^v\d/.test(tag))
      ?.slice(1)
  }
}

/** What is wrong with them; nothing where they agree. */
export const problems = (claims: Claims, uncommitted: string): ReadonlyArray<string> => {
  const wanted = claims["package.json"]
  return [
    ...Object.entries(claims)
      .filter(([, version]) => version !== wanted)
      .map(([place, version]) => `${place} says ${version ?? "nothing"}, package.json says ${wanted}`),
    ...(uncommitted === "" ? [] : [`there are uncommitted changes:\n${uncommitted}`])
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL("../..", import.meta.url))
  const uncommitted = execFileSync("git", ["-C", root, "status", "--porcelain"], { encoding: "utf8" }).trim()
  const found = problems(claimsOf(root), uncommitted)
  for (const problem of found) console.error(problem)
  if (found.length > 0) process.exit(1)
  console.log("Version, changelog and tag agree. To publish: npm publish --provenance")
}
