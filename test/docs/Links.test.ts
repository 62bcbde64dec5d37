/** Every link of README.md, AGENTS.md and docs leads to a file of the project, and to a heading where it names one. */
import { existsSync, globSync, readFileSync, statSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { linksOf } from "./Markdown.ts"
import * as Reference from "./Reference.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const pages = globSync(
  ["README.md", "AGENTS.md", "docs/**/*.md", "docs/llms.txt", "src/onnx/bundled/README.md"],
  { cwd: root, exclude: (name) => name.startsWith("docs/api") }
).sort()

/** Pages that are made when the site is built and the package packed. */
const made = new Set(Reference.names.map((name) => `docs/api/${name}`))

/** As GitHub makes them of headings. */
const anchorsOf = (text: string): ReadonlySet<string> => {
  const anchors = new Set<string>()
  for (const [, heading = ""] of text.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/^#+ (.+)$/gm)) {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-")
    let name = anchor
    for (let i = 1; anchors.has(name); i++) name = `${anchor}-${i}`
    anchors.add(name)
  }
  return anchors
}

describe("links", () => {
  it("lead somewhere", () => {
    const broken: Array<string> = []
    for (const page of pages) {
      for (const link of linksOf(readFileSync(join(root, page), "utf8"))) {
        if (/^[a-z]+:/.test(link)) {
          if (!URL.canParse(link)) broken.push(`${page}: ${link}`)
          continue
        }
        const [path = "", anchor] = link.split("#", 2)
        const target = path === "" ? page : normalize(join(dirname(page), path))
        if (made.has(target)) continue
        const file = join(root, target)
        if (relative(root, file).startsWith("..") || !existsSync(file)) broken.push(`${page}: ${link}`)
        else if (anchor !== undefined && statSync(file).isFile()) {
          if (!anchorsOf(readFileSync(file, "utf8")).has(anchor)) broken.push(`${page}: ${link}`)
        }
      }
    }
    assert.deepStrictEqual(broken, [])
  })

  it("leave out no page: each can be reached from README.md", () => {
    const reached = new Set<string>()
    const open = ["README.md"]
    for (let page = open.pop(); page !== undefined; page = open.pop()) {
      if (reached.has(page)) continue
      reached.add(page)
      for (const link of linksOf(readFileSync(join(root, page), "utf8"))) {
        if (/^[a-z]+:/.test(link)) continue
        const target = normalize(join(dirname(page), link.split("#")[0] ?? "")).replace(/\/$/, "")
        if (/\.(md|txt)$/.test(target) && existsSync(join(root, target))) open.push(target)
        // A link to a folder shows all of it.
        else if (existsSync(join(root, target)) && statSync(join(root, target)).isDirectory())
          open.push(...globSync(`${target}/*.md`, { cwd: root }))
      }
    }
    assert.deepStrictEqual(
      pages.filter((page) => !reached.has(page)),
      []
    )
  })
})
