/** The site as it is built: every page, every link, the search. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import MiniSearch from "minisearch"
import * as Reference from "../docs/Reference.ts"
import { folder } from "../support/Folder.ts"
import { options } from "./index-options.ts"
import { render } from "./Markdown.ts"
import * as Site from "./Site.ts"

/** In the place of the page, which takes long to pack: its own tests are in test/page. */
const page = [
  { path: "index.html", bytes: Buffer.from('<!doctype html><script src="./1/main.js"></script>') },
  { path: "1/main.js", bytes: Buffer.from("") }
]

const stubs = new Map(Reference.names.map((name) => [name, `# ${name}\n\n## Part\n\nText.\n`]))

describe("npm run site", () => {
  it.live("has each page of the documentation, and no link that leads nowhere", () =>
    Effect.gen(function* () {
      const out = yield* folder()
      const built = yield* Effect.promise(() => Site.build({ root: Reference.root, out, api: stubs, page }))
      assert.deepStrictEqual(built.broken, [])
      assert.includeMembers(
        [...built.pages],
        ["index.html", "guides/serve.html", "api/index.html", "api/main.html", "decisions/site.html"]
      )
      const serve = readFileSync(join(out, "guides/serve.html"), "utf8")
      assert.include(serve, 'href="../telemetry.html"')
      assert.include(serve, 'aria-current="page"')
      assert.include(serve, 'href="../try/index.html"')
      assert.isTrue(existsSync(join(out, "try/1/main.js")))
      assert.match(serve, /<span class="hljs-keyword">import<\/span>/)
      const index = MiniSearch.loadJSON(readFileSync(join(out, "assets/search.json"), "utf8"), options)
      assert.include(String(index.search("circuit breaker")[0]?.["title"]).toLowerCase(), "breaker")
      assert.isAbove(index.search("retry-after").length, 0)
      assert.isAbove(readFileSync(join(out, "assets/search.js")).length, 1000)
    }).pipe(Effect.scoped)
  )

  it.live("tells links to files, pages and headings that are not there", () =>
    Effect.gen(function* () {
      const root = yield* folder()
      const out = yield* folder()
      mkdirSync(join(root, "docs/guides"), { recursive: true })
      writeFileSync(join(root, "docs/llms.txt"), "")
      writeFileSync(
        join(root, "README.md"),
        "# Home\n\n[a](docs/guides/a.md#there), [b](docs/guides/a.md#gone), [c](docs/none.md), [d](../x.md)\n"
      )
      writeFileSync(join(root, "docs/guides/a.md"), "# A\n\n## There\n\n[home](../../README.md)\n")
      const { broken } = yield* Effect.promise(() =>
        Site.build({ root, out, api: new Map(), page: [page[0]!] })
      )
      assert.deepStrictEqual(
        broken.filter((line) => line.startsWith("README")),
        ["README.md: docs/none.md", "README.md: ../x.md"]
      )
      assert.include(broken, "index.html: guides/a.html#gone")
      assert.include(broken, "try/index.html: ./1/main.js")
      assert.notInclude(broken.join(), "#there")
    }).pipe(Effect.scoped)
  )
})

describe("a page", () => {
  it("shows what it is told and runs none of it", () => {
    const { html } = render(
      '# A `b` <i>\n\n```ts\nconst a = "<script>"\n```\n\n```none\n<b>\n```\n',
      (link) => link
    )
    assert.notInclude(html, "<script>")
    assert.include(html, "&lt;b&gt;")
    assert.match(html, /^<h1 id="a-b-i">|^<h1 id="a-b-">/)
  })

  it("gives headings of one name anchors of their own, as GitHub does", () => {
    const { html, sections } = render("# A\n\n## Same\n\none\n\n## Same\n\ntwo\n", (link) => link)
    assert.deepStrictEqual(
      sections.map(({ anchor }) => anchor),
      ["a", "same", "same-1"]
    )
    assert.include(html, 'id="same-1"')
  })
})
