/**
 * The code in doc comments, README.md and docs is compiled, and where it states results (`// => value`) it is run and
 * held to them.
 */
import { execFileSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { afterAll, assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
// Inside the package, so that its own name resolves; hidden, so that nothing else picks it up.
const folder = join(root, "test", ".blocks")

interface Block {
  readonly name: string
  readonly path: string
  readonly code: string
  readonly states: boolean
}

const inDocComments = (text: string): Array<string> =>
  Array.from(text.matchAll(/^ *\* ```ts\n((?: *\*.*\n)*?) *\* ```$/gm), (match) =>
    match[1]!.replaceAll(/^ *\* ?/gm, "")
  )

const inMarkdown = (text: string): Array<string> =>
  Array.from(text.matchAll(/^```ts\n([\s\S]*?)^```$/gm), (match) => match[1]!)

/** `expression // => value` becomes an assertion. */
const withAssertions = (code: string): string =>
  code.replaceAll(/^(.*\S) *\/\/ => (.*)$/gm, (_, expression: string, value: string) => {
    const assigned = /^const (\w+) = /.exec(expression)
    return assigned === null
      ? `assert.deepStrictEqual(${expression}, ${value})`
      : `${expression}\nassert.deepStrictEqual(${assigned[1]}, ${value})`
  })

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const blocks: Array<Block> = []
for (const file of [
  ...globSync("src/**/*.ts", { cwd: root }),
  ...globSync(["README.md", "docs/**/*.md"], { cwd: root, exclude: (name) => /docs\/(model|api)/.test(name) })
].sort()) {
  const text = readFileSync(join(root, file), "utf8")
  const found = file.endsWith(".md") ? inMarkdown(text) : inDocComments(text)
  for (const [index, code] of found.entries()) {
    const states = code.includes("// => ")
    const name = `${file}, block ${index + 1}`
    const path = join(folder, `${file.replaceAll(/[^A-Za-z0-9]+/g, "-")}-${index + 1}.ts`)
    const imports = states ? `import assert from "node:assert/strict"\n` : ""
    writeFileSync(path, `${imports}${withAssertions(code)}\nexport {}\n`)
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
      execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", config], {
        encoding: "utf8"
      })
    } catch (error) {
      const output =
        typeof error === "object" && error !== null && "stdout" in error
          ? String(error.stdout)
          : String(error)
      assert.fail(output.replaceAll(relative(process.cwd(), folder), ""))
    }
  })

  it("there are some", () => {
    assert.isAbove(blocks.filter(({ states }) => states).length, 10)
  })

  it.each(blocks.filter(({ states }) => states))("$name gives what it states", async ({ path }) => {
    await import(pathToFileURL(path).href)
  })
})
