/**
 * The site: every page of docs, the API reference, the sources and pictures that they lead to, an index to search in. It is
 * files alone, which any server or a disk can show. A link that leads nowhere ends the build.
 */
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { basename, dirname, extname, join, normalize } from "node:path"
import type { StaticPage } from "effect-segformer/server"
import MiniSearch from "minisearch"
import { rolldown } from "rolldown"
import { options, type Indexed } from "./index-options.ts"
import * as Layout from "./Layout.ts"
import { escape, highlight, render, type Section } from "./Markdown.ts"

/** A page to be: where it is from in the project, where it goes, its text. */
interface Source {
  readonly from: string
  readonly to: string
  readonly text: string
}

export interface SiteOptions {
  readonly root: string
  readonly out: string
  /** Pages of the API reference by their names. */
  readonly api: ReadonlyMap<string, string>
  /** The page with a model in it, to try. */
  readonly page: ReadonlyArray<StaticPage.SiteFile>
}

export interface Built {
  readonly pages: ReadonlyArray<string>
  readonly sections: number
  /** Links that lead nowhere, each with its page. */
  readonly broken: ReadonlyArray<string>
}

/** Pages that stand elsewhere than in docs. */
const others: Readonly<Record<string, string>> = {
  "README.md": "index.html",
  "AGENTS.md": "agents.html",
  "docs/README.md": "documentation.html",
  "src/onnx/bundled/README.md": "model-in-the-box.html"
}

const groupNames: ReadonlyArray<readonly [title: string, belongs: (to: string) => boolean]> = [
  [
    "Start",
    (to) => ["index.html", "documentation.html", "concepts.html", "guides/application.html"].includes(to)
  ],
  ["Guides", (to) => to.startsWith("guides/")],
  [
    "Reference",
    (to) =>
      /^(api\/index|configuration|telemetry|errors|promises|proof|protocols|pictures|benchmarks)\.html$/.test(
        to
      )
  ],
  ["API", (to) => to.startsWith("api/")],
  ["Moving here", (to) => to.startsWith("moving/")],
  ["Why it is so", (to) => to.startsWith("decisions/") || to === "architecture.html"],
  ["The project", () => true]
]

/** Where the page is that runs the model. */
const tried = "try"

const isPicture = (path: string): boolean => /\.(png|jpe?g|svg|webp)$/i.test(path)

const languages: Readonly<Record<string, string>> = {
  ".ts": "typescript",
  ".tsx": "typescript",
  ".py": "python",
  ".yaml": "yaml",
  ".json": "json",
  ".service": "ini"
}

const pagesOf = ({ api, root }: SiteOptions): ReadonlyArray<Source> => {
  const files = globSync(["docs/**/*.md", ...Object.keys(others)], {
    cwd: root,
    exclude: (name) => name.startsWith("docs/api")
  })
  const written = [...new Set(files)].toSorted().map((from): Source => ({
    from,
    to:
      others[from] ??
      from
        .replace(/^docs\//, "")
        .replace(/README\.md$/, "index.md")
        .replace(/\.md$/, ".html"),
    text: readFileSync(join(root, from), "utf8")
  }))
  const made = [...api].map(([name, text]): Source => ({
    from: `docs/api/${name}`,
    // `index.md` is the main entry, and README.md the list of all.
    to: `api/${name === "index.md" ? "main" : basename(name, ".md").replace("README", "index")}.html`,
    text
  }))
  return [...written, ...made]
}

const write = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** Builds the site into an empty folder. */
export const build = async (site: SiteOptions): Promise<Built> => {
  const { out, root } = site
  const sources = pagesOf(site)
  const places = new Map(sources.map(({ from, to }) => [from, to]))
  const broken: Array<string> = []
  /** Files that pages lead to, which become pages or are copied. */
  const wanted = new Set<string>()

  const placeOf = (target: string): string | undefined => {
    const known = places.get(target)
    if (known !== undefined) return known
    const file = join(root, target)
    if (target.startsWith("..") || !existsSync(file)) return undefined
    const kind = statSync(file).isDirectory()
    const to = kind
      ? `source/${target}/index.html`
      : isPicture(target) || target.endsWith(".txt") || target.endsWith(".onnx")
        ? target
        : `source/${target}.html`
    places.set(target, to)
    wanted.add(target)
    return to
  }

  const linkFrom =
    ({ from, to }: Pick<Source, "from" | "to">) =>
    (target: string): string => {
      if (/^([a-z]+:|#)/i.test(target)) return target
      const [path = "", anchor] = target.split("#", 2)
      const place = placeOf(normalize(join(dirname(from), path)).replace(/\/$/, ""))
      if (place === undefined) {
        broken.push(`${from}: ${target}`)
        return target
      }
      return Layout.relative(to, place) + (anchor === undefined ? "" : `#${anchor}`)
    }

  for (const { bytes, path } of site.page) {
    mkdirSync(dirname(join(out, tried, path)), { recursive: true })
    writeFileSync(join(out, tried, path), bytes)
  }

  const rendered = sources.map((source) => ({ source, ...render(source.text, linkFrom(source)) }))
  const left = new Set(rendered)
  const groups = groupNames.map(([title, belongs]): Layout.Group => {
    const mine = [...left].filter(({ source }) => belongs(source.to))
    for (const each of mine) left.delete(each)
    const entries = mine.map((each) => ({ title: each.title, path: each.source.to }))
    const more = title === "Start" ? [{ title: "Try it", path: `${tried}/index.html` }] : []
    return { title, entries: [...entries, ...more] }
  })
  const pages: Array<string> = []
  const put = (path: string, title: string, html: string) => {
    write(join(out, path), Layout.page({ path, title, html, groups }))
    pages.push(path)
  }
  for (const { html, source, title } of rendered) put(source.to, title, html)

  for (const target of wanted) {
    const to = placeOf(target)!
    const file = join(root, target)
    if (statSync(file).isDirectory()) {
      const inside = globSync("**/*", { cwd: file })
        .filter((name) => statSync(join(file, name)).isFile() && !isPicture(name))
        .toSorted()
      const link = linkFrom({ from: `${target}/x`, to })
      const items = inside
        .map((name) => `<li><a href="${escape(link(name))}">${escape(name)}</a></li>`)
        .join("\n")
      put(to, target, `<h1>${escape(target)}</h1>\n<ul>${items}</ul>`)
    } else if (to === target) {
      mkdirSync(dirname(join(out, to)), { recursive: true })
      copyFileSync(file, join(out, to))
    } else {
      const text = readFileSync(file, "utf8")
      const language = languages[extname(target)] ?? ""
      put(
        to,
        target,
        `<h1>${escape(target)}</h1>\n<pre><code class="hljs">${highlight(text, language)}</code></pre>`
      )
    }
  }

  const index = new MiniSearch<Indexed>(options)
  const sections = rendered.flatMap(({ sections, source, title }) =>
    sections.map((section: Section) => ({
      path: `${source.to}#${section.anchor}`,
      title: section.title,
      page: title,
      text: section.text.slice(0, 4000)
    }))
  )
  index.addAll(sections.map((section, id) => ({ id, ...section })))
  write(join(out, "assets/search.json"), JSON.stringify(index))
  copyFileSync(join(import.meta.dirname, "style.css"), join(out, "assets/style.css"))
  const bundle = await rolldown({ input: join(import.meta.dirname, "search.ts"), platform: "browser" })
  await bundle.write({ file: join(out, "assets/search.js"), format: "esm", minify: true })
  await bundle.close()
  copyFileSync(join(root, "docs/llms.txt"), join(out, "llms.txt"))

  return {
    pages,
    sections: sections.length,
    broken: [...broken, ...brokenIn(out, [...pages, `${tried}/index.html`])]
  }
}

/** Links of the pages as they are written: to files of the site, and to anchors in them. */
export const brokenIn = (out: string, pages: ReadonlyArray<string>): ReadonlyArray<string> => {
  const anchors = new Map<string, ReadonlySet<string>>()
  const anchorsOf = (path: string) => {
    const known = anchors.get(path)
    if (known !== undefined) return known
    const text = readFileSync(join(out, path), "utf8")
    const found = new Set(Array.from(text.matchAll(/ id="([^"]*)"/g), ([, id]) => id!))
    anchors.set(path, found)
    return found
  }
  return pages.flatMap((page) => {
    const text = readFileSync(join(out, page), "utf8").replaceAll(/<pre>[\s\S]*?<\/pre>/g, "")
    return Array.from(text.matchAll(/ (?:href|src)="([^"]*)"/g), ([, link]) => link!.replaceAll("&amp;", "&"))
      .filter((link) => !/^[a-z]+:/i.test(link))
      .filter((link) => {
        const [path = "", anchor] = link.split("#", 2)
        const target = path === "" ? page : normalize(join(dirname(page), decodeURI(path)))
        if (target.startsWith("..") || !existsSync(join(out, target))) return true
        return (
          anchor !== undefined &&
          anchor !== "" &&
          target.endsWith(".html") &&
          !anchorsOf(target).has(decodeURI(anchor))
        )
      })
      .map((link) => `${page}: ${link}`)
  })
}
