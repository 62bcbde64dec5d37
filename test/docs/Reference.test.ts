/** The API reference, which is made from the sources and not committed, has what the package exports. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { API, type Symbol, SymbolFlags } from "typescript/unstable/sync"
import * as Drawing from "./Drawing.ts"
import * as Reference from "./Reference.ts"

let pages: ReadonlyMap<string, string> = new Map()
beforeAll(async () => {
  pages = await Effect.runPromise(Reference.generate)
})

describe("the API reference", () => {
  it("has a page for each entry of the package, and an index of them", () => {
    assert.deepStrictEqual([...pages.keys()].sort(), [...Reference.names].sort())
    const index = pages.get("README.md") ?? ""
    for (const name of Reference.names) if (name !== "README.md") assert.include(index, `](${name})`)
    assert.include(pages.get("mask.md"), "### toLabelMap")
  })

  it("has each export of each entry, of namespaces too, as the compiler knows them", () => {
    const api = new API({ cwd: Reference.root })
    const missing: Array<string> = []
    let count = 0
    try {
      const config = join(Reference.root, "src", "tsconfig.json")
      const project = api.updateSnapshot({ openProject: config }).getProject(config)
      if (project === undefined) return assert.fail("no project")
      const { checker, program } = project
      // Declarations of users have none of it.
      const isInternal = (symbol: Symbol) =>
        symbol.getJsDocTags(checker).some(({ name }) => name === "internal")
      for (const [page, path] of Reference.entries) {
        const sections = new Map(
          (pages.get(page) ?? "").split(/^## /m).map((section) => {
            const names = Array.from(section.matchAll(/^### (\w+)$/gm), ([, name]) => name)
            return [section.slice(0, section.indexOf("\n")), new Set(names)] as const
          })
        )
        const plain = new Set(
          [...sections].flatMap(([title, names]) => (title.startsWith("From ") ? [...names] : []))
        )
        const file = program.getSourceFile(join(Reference.root, path))
        const module = file && checker.getSymbolAtLocation(file)
        // A script of its own exports nothing.
        if (module === undefined) continue
        for (const symbol of checker.getExportsOfModule(module)) {
          const target = symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
          if (isInternal(target)) continue
          count++
          if ((target.flags & SymbolFlags.ValueModule) === 0) {
            if (!plain.has(symbol.name)) missing.push(`${page}: ${symbol.name}`)
            continue
          }
          for (const each of checker.getExportsOfModule(target)) {
            const { flags, name } = each
            if (isInternal(flags & SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each)) continue
            count++
            if (sections.get(symbol.name)?.has(name) !== true) missing.push(`${page}: ${symbol.name}.${name}`)
          }
        }
      }
    } finally {
      api.close()
    }
    assert.deepStrictEqual(missing, [])
    assert.isAbove(count, 500)
  })

  it("describes whatever the package exports", () => {
    const bare = [...pages].flatMap(([page, text]) =>
      Array.from(text.matchAll(/^### (\w+)\n\n```/gm), ([, name]) => `${page}: ${name}`)
    )
    // Types whose name and fields say it all may go without a sentence, but not many.
    const names = [...pages.values()].join("\n").match(/^### /gm)?.length ?? 0
    assert.isBelow(bare.length / names, 0.25, bare.join("\n"))
  })
})

describe("the pictures of the code", () => {
  for (const [name, draw] of Object.entries({ way: Drawing.way, house: Drawing.house })) {
    it(`${name}.svg is what \`npm run docs\` draws`, () => {
      const written = readFileSync(join(Reference.root, "docs", "images", `${name}.svg`), "utf8")
      assert.strictEqual(written, draw(), `docs/images/${name}.svg is out of date: run npm run docs`)
    })
  }
})
