/**
 * What each entry of the package costs those who import it, and what programs cost the compiler: counts and bytes. Run as a
 * program it writes them into docs/costs.md, each with some room, and a test holds them to that.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"
import { blocksOf } from "./Markdown.ts"
import { root } from "./Reference.ts"

export const path = join(root, "docs/costs.md")
const condition = "effect-segformer-source"

export interface Cost {
  /** Compressed, of what is loaded at once, without Effect, Node and optional peers. */
  readonly bytes: number
  /** Of this package and what it depends on. */
  readonly modules: number
}

const manifest: { readonly exports: Readonly<Record<string, Readonly<Record<string, string>> | string>> } =
  JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** Entries by their names. */
export const entries: ReadonlyMap<string, string> = new Map(
  Object.entries(manifest.exports).flatMap(([entry, target]) =>
    typeof target === "string" || target[condition] === undefined
      ? []
      : [
          [
            entry === "." ? "effect-segformer" : `effect-segformer/${entry.slice(2)}`,
            join(root, target[condition])
          ]
        ]
  )
)

const external = [
  /^effect($|\/)/,
  /^@effect\//,
  /^node:/,
  /^(sharp|onnxruntime-(node|web)|redis|undici|@cantoo\/pdf-lib|@jsquash\/jpeg)($|\/)/
]

export const costOf = async (input: string): Promise<Cost> => {
  const build = await rolldown({ input, external, platform: "node", logLevel: "silent" })
  const { output } = await build.generate({ format: "esm", minify: true })
  await build.close()
  const chunks = new Map(output.flatMap((each) => (each.type === "chunk" ? [[each.fileName, each]] : [])))
  // What an entry loads at once: what it imports, and so on; what it imports when it is asked to comes later.
  const open = [...chunks.values()].filter((chunk) => chunk.isEntry).map(({ fileName }) => fileName)
  const loaded = new Set(open)
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const next of chunks.get(name)?.imports ?? []) {
      if (chunks.has(next) && !loaded.has(next)) open.push(next)
      if (chunks.has(next)) loaded.add(next)
    }
  }
  const found = [...loaded].flatMap((name) => chunks.get(name) ?? [])
  return {
    bytes: found.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0),
    modules: found.reduce((sum, { moduleIds }) => sum + moduleIds.length, 0)
  }
}

/** Programs as users write them. */
const programs = (): Readonly<Record<string, ReadonlyArray<string>>> => {
  const readme = readFileSync(join(root, "README.md"), "utf8")
  const [first = ""] = blocksOf(readme.slice(readme.indexOf("## A first program")), "ts")
  return {
    nothing: [`import { Effect } from "effect"\nexport const nothing = Effect.void\n`],
    "README's first program": [first],
    "the application of docs/examples/app": ["Server", "Worker", "Script"].map(
      (name) => `import ${JSON.stringify(join(root, `docs/examples/app/src/${name}.ts`))}\n`
    )
  }
}

/** Types that the compiler makes of generic ones for a program, against declarations as the package has them. */
export const instantiations = (): ReadonlyMap<string, number> => {
  // Inside the project, where what is installed is found; hidden, so that nothing else picks it up.
  const folder = join(root, "test/.costs")
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const tsc = join(root, "node_modules/typescript/bin/tsc")
  try {
    const only = ["--emitDeclarationOnly", "--declarationMap", "false", "--sourceMap", "false"]
    execFileSync(process.execPath, [tsc, "-p", join(root, "src"), "--outDir", join(folder, "dist"), ...only])
    const paths = Object.fromEntries(
      [...entries].map(([name, source]) => [
        name,
        [join(folder, "dist", source.slice(join(root, "src").length + 1).replace(/\.ts$/, ".d.ts"))]
      ])
    )
    return new Map(
      Object.entries(programs()).map(([name, texts], index) => {
        const files = texts.map((text, part) => {
          const file = join(folder, `program-${index}-${part}.ts`)
          writeFileSync(file, text)
          return file
        })
        const project = join(folder, `tsconfig-${index}.json`)
        const compilerOptions = { customConditions: [], paths, skipLibCheck: true }
        writeFileSync(
          project,
          JSON.stringify({ extends: "../../tsconfig.json", compilerOptions, files, include: [], exclude: [] })
        )
        const said = execFileSync(process.execPath, [tsc, "-p", project, "--extendedDiagnostics"], {
          encoding: "utf8"
        })
        return [name, Number(/^Instantiations:\s+(\d+)/m.exec(said)?.[1])]
      })
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A fifth above a figure, to two digits. */
export const bound = (value: number): number => {
  const wanted = value * 1.2
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, wanted))) - 1)
  return Math.ceil(wanted / step) * step
}

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map((_, column) => (column === 0 ? "---" : "--:")), ...rows]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n")

/** Bounds of a page, by the name in the first cell. */
export const boundsIn = (page: string): ReadonlyMap<string, ReadonlyArray<number>> =>
  new Map(
    Array.from(
      page.matchAll(/^\| `?([^|`]+?)`? \| ([\d,]+)(?: bytes)?(?: \| ([\d,]+))? \|$/gm),
      ([, name, ...cells]) => [
        name!,
        cells.flatMap((cell) => (cell === undefined ? [] : [Number(cell.replaceAll(",", ""))]))
      ]
    )
  )

const render = async (page: string): Promise<string> => {
  const rows: Array<ReadonlyArray<string>> = []
  for (const [name, input] of entries) {
    const { bytes, modules } = await costOf(input)
    rows.push([
      `\`${name}\``,
      `${bound(bytes).toLocaleString("en-US")} bytes`,
      bound(modules).toLocaleString("en-US")
    ])
  }
  const parts: Readonly<Record<string, string>> = {
    entries: table(["entry", "compressed, at most", "modules, at most"], rows),
    programs: table(
      ["program", "instantiations, at most"],
      [...instantiations()].map(([name, count]) => [name, bound(count).toLocaleString("en-US")])
    )
  }
  return Object.entries(parts).reduce(
    (text, [name, part]) =>
      text.replace(
        new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(\n<!-- end -->)`),
        (_, open: string, close: string) => `${open}\n${part}\n${close}`
      ),
    page
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(path, await render(readFileSync(path, "utf8")))
}
