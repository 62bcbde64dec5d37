/**
 * The code in doc comments, README.md and docs is compiled, and where it states results (`// => value`) it is run and
 * held to them.
 */
import { execFileSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Blocks from "./Blocks.ts"
import { blocksOf } from "./Markdown.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
// Inside the package, so that its own name resolves; hidden, so that nothing else picks it up.
const folder = join(root, "test", ".blocks")

interface Block {
  readonly name: string
  readonly path: string
  readonly code: string
  readonly states: boolean
}

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const blocks: Array<Block> = []
for (const file of [
  ...globSync("src/**/*.ts", { cwd: root }),
  ...globSync(["README.md", "docs/**/*.md"], { cwd: root, exclude: (name) => /docs\/(model|api)/.test(name) })
].sort()) {
  const text = readFileSync(join(root, file), "utf8")
  const found = file.endsWith(".md") ? blocksOf(text, "ts") : Blocks.inDocComments(text)
  for (const [index, code] of found.entries()) {
    const states = Blocks.states(code)
    const name = `${file}, block ${index + 1}`
    const path = join(folder, `${file.replaceAll(/[^A-Za-z0-9]+/g, "-")}-${index + 1}.ts`)
    writeFileSync(path, Blocks.moduleOf(code))
    blocks.push({ name, path, code, states })
  }
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("code blocks", () => {
  it("all compile", () => {
    const config = join(folder, "tsconfig.json")
    const options = { noUnusedLocals: false, noUnusedParameters: false, rootDir: root }
    writeFileSync(
      config,
      JSON.stringify({
        extends: "../../tsconfig.json",
        compilerOptions: options,
        include: [],
        files: blocks.map(({ path }) => path)
      })
    )
    try {
      const tsc = join(root, "node_modules/typescript/bin/tsc")
      execFileSync(process.execPath, [tsc, "-p", config, "--singleThreaded"], { encoding: "utf8" })
    } catch (error) {
      const output =
        typeof error === "object" && error !== null && "stdout" in error
          ? String(error.stdout)
          : String(error)
      assert.fail(output.replaceAll(relative(process.cwd(), folder), ""))
    }
  })

  it("none takes a place among classes for an id: ids have holes", () => {
    const examples = globSync("docs/examples/**/*.ts", { cwd: root }).map((name) => ({
      name,
      code: readFileSync(join(root, name), "utf8")
    }))
    const wrong = [...blocks, ...examples].filter(({ code }) =>
      /(?:classes|classTable|palette)(?:\?\.)?\[(?!\d+\])|(?:classes|classTable|palette)\.at\((?!-?\d)/i.test(
        code
      )
    )
    assert.deepStrictEqual(
      wrong.map(({ name }) => name),
      [],
      "ClassTable.nameOf and Palette.colorOf take ids"
    )
  })

  it("there are some", () => {
    assert.isAbove(blocks.filter(({ states }) => states).length, 10)
  })

  it.each(blocks.filter(({ states }) => states))("$name gives what it states", async ({ path }) => {
    await import(pathToFileURL(path).href)
  })
})
