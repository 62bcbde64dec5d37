/** What is in the packed package, and that its pages lead to nothing that is not. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { linksOf } from "../docs/Markdown.ts"
import { expect, root } from "./Consumer.ts"

const expected =
  /^(dist\/|src\/.*\.ts$|src\/onnx\/bundled\/README\.md$|docs\/|(README|AGENTS)\.md$|LICENSE$|package\.json$)/

/** A page says which test holds a promise; tests are for those who have the repository. */
const isOfRepository = (target: string): boolean => target.startsWith("test/")

/** Links of packed pages to files that are not packed. */
const broken = (paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  const has = new Set(paths)
  const pages = paths.filter((path) => /\.(md|txt)$/.test(path) && !path.startsWith("dist/"))
  return pages.flatMap((page) =>
    linksOf(readFileSync(join(root, page), "utf8"))
      .filter((link) => !/^([a-z]+:|#)/.test(link))
      .map((link) => normalize(join(dirname(page), link.split("#", 1)[0]!)).replace(/\/$/, ""))
      .filter((target) => !isOfRepository(target))
      .filter((target) => !has.has(target) && !paths.some((path) => path.startsWith(`${target}/`)))
      .map((target) => `${page}: ${target}`)
  )
}

export const check = (tarball: string): void => {
  const paths = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((path) => path.replace(/^package\//, ""))
  const others = paths.filter((path) => !expected.test(path))
  expect(`what is built, its sources and the documentation are packed${list(others)}`, others.length === 0)
  const wanted = [
    "dist/index.js",
    "dist/index.d.ts",
    "dist/cli/main.js",
    "dist/onnx/bundled/onnx/model.onnx",
    "dist/server/page/assets/index.html",
    "src/index.ts",
    "docs/llms.txt",
    "docs/api/README.md",
    "docs/images/sample.jpg",
    "AGENTS.md"
  ]
  const lacking = wanted.filter((path) => !paths.includes(path))
  expect(`npm pack builds what it packs, the bundled model too${list(lacking)}`, lacking.length === 0)
  const dangling = broken(paths)
  expect(
    `links of README.md, AGENTS.md and docs lead to what is packed${list(dangling)}`,
    dangling.length === 0
  )
}

const list = (lines: ReadonlyArray<string>): string => lines.map((line) => `\n     ${line}`).join("")
