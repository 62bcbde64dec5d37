/**
 * The API reference, made from the declarations that the compiler emits: a page per entry of the package, a section per
 * module, with the doc comments as they stand in the sources. It is made when the site is built, and when the package is packed.
 */
import { execFileSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { folder } from "../support/Folder.ts"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** A statement of a declaration file, with the comment before it. */
interface Statement {
  readonly comment: string | undefined
  readonly code: string
}

/** Under which the package's exports name their sources. */
const condition = "effect-segformer-source"

/** In emitted declarations a statement starts at the margin, and what continues it does not. */
const statementsOf = (text: string): ReadonlyArray<Statement> => {
  const statements: Array<{ comment: string | undefined; code: string }> = []
  let comment: string | undefined
  let inComment = false
  for (const line of text.split("\n")) {
    if (inComment) {
      comment += `\n${line.replace(/^ \*\/?\s?/, "")}`
      if (line.endsWith("*/")) inComment = false
    } else if (line.startsWith("/**")) {
      // Two comments in a row: the first is that of the file.
      if (comment !== undefined) statements.push({ comment, code: "" })
      inComment = !line.endsWith("*/")
      comment = line.replace(/^\/\*\*\s?/, "").replace(/\s*\*\/$/, "")
    } else if (/^[a-z]/.test(line)) {
      statements.push({ comment, code: line })
      comment = undefined
    } else if (line !== "" && !line.startsWith("//")) {
      const last = statements.at(-1)
      if (last !== undefined) last.code += `\n${line}`
    }
  }
  return statements
}

interface Module {
  readonly doc: string
  /** What it declares and exports where it stands, by name. */
  readonly members: ReadonlyMap<string, Statement>
  /** All that it declares: some is exported by name at another place. */
  readonly declared: ReadonlyMap<string, Statement>
  /** `import … from` and `export … from`, and exports by name. */
  readonly imports: ReadonlyArray<string>
  readonly exports: ReadonlyArray<string>
}

const nameOf = (code: string): string | undefined =>
  /^(?:export )?(?:declare )?(?:abstract )?(?:const|class|function|interface|type) (\w+)/.exec(code)?.[1]

const parse = (text: string): Module => {
  const all = statementsOf(text)
  const members = new Map<string, Statement>()
  const declared = new Map<string, Statement>()
  for (const statement of all) {
    const name = nameOf(statement.code)
    if (name === undefined) continue
    const base = all.find(({ code }) => code.startsWith(`declare const ${name}_base:`))
    const before = declared.get(name)
    // An interface and a constant of one name are one thing to its users; so are overloads.
    const parts = [before?.code, base?.code, statement.code].filter((part) => part !== undefined)
    declared.set(name, {
      comment: before?.comment ?? statement.comment,
      code: parts.map((part) => part.replace(/^(export )?(declare )?/, "")).join("\n")
    })
    if (statement.code.startsWith("export ")) members.set(name, declared.get(name)!)
  }
  const first = all[0]
  const isFile =
    first !== undefined && (first.code === "" || /^(import|export \*|export \{)/.test(first.code))
  return {
    doc: (isFile ? first.comment : undefined)?.trim() ?? "",
    members,
    declared,
    imports: all.filter(({ code }) => code.startsWith("import ")).map(({ code }) => code),
    exports: all.filter(({ code }) => /^export (\*|type \{|\{)/.test(code)).map(({ code }) => code)
  }
}

const fence = (code: string): string => `\`\`\`typescript\n${code.trim()}\n\`\`\``

const member = (name: string, { code, comment }: Statement): string =>
  [`### ${name}`, comment?.trim(), fence(code)]
    .filter((part) => part !== undefined && part !== "")
    .join("\n\n")

/** A link from a page in docs/api to a source. */
const source = (module: string): string => `[${module}](../../${module})`

const manifest: {
  readonly exports: Readonly<Record<string, Readonly<Record<typeof condition, string>> | string>>
} = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const fileOf = (entry: string): string =>
  `${entry === "." ? "index" : entry.slice(2).replaceAll("/", "-")}.md`

/** The page of each entry of the package, with the module that it is of. */
export const entries: ReadonlyArray<readonly [page: string, module: string]> = Object.entries(
  manifest.exports
).flatMap(([entry, target]) =>
  typeof target === "string" ? [] : [[fileOf(entry), normalize(target[condition])] as const]
)

/** What the pages are called, without making them: one for each entry of the package, and the index. */
export const names: ReadonlyArray<string> = [
  ...Object.entries(manifest.exports).flatMap(([entry, target]) =>
    typeof target === "string" ? [] : [fileOf(entry)]
  ),
  "README.md"
]

/** The pages of docs/api by their names, and the index of them. */
export const generate: Effect.Effect<ReadonlyMap<string, string>> = Effect.scoped(
  Effect.map(folder(), (declarations) => {
    const tsc = join(root, "node_modules/typescript/bin/tsc")
    const only = [
      "--singleThreaded",
      "--emitDeclarationOnly",
      "--declarationMap",
      "false",
      "--sourceMap",
      "false"
    ]
    execFileSync(process.execPath, [tsc, "-p", join(root, "src"), "--outDir", declarations, ...only])
    return pages(
      new Map(
        globSync("**/*.d.ts", { cwd: declarations }).map((file) => [
          `src/${file.replace(/\.d\.ts$/, ".ts")}`,
          parse(readFileSync(join(declarations, file), "utf8"))
        ])
      )
    )
  })
)

const pages = (modules: ReadonlyMap<string, Module>): ReadonlyMap<string, string> => {
  const { exports } = manifest
  const result = new Map<string, string>()
  const index: Array<string> = []
  for (const [entry, target] of Object.entries(exports)) {
    if (typeof target === "string") continue
    const path = normalize(target[condition])
    const module = modules.get(path)
    if (module === undefined) throw new Error(`${entry} has no module at ${path}`)
    const name = entry === "." ? "effect-segformer" : `effect-segformer/${entry.slice(2)}`
    const file = fileOf(entry)
    const sections: Array<string> = []
    const groups = new Map<string, Map<string, Statement>>()
    const listed: Array<string> = []
    for (const [each, { found, from }] of exportsOf(modules, path)) {
      listed.push(each)
      if (typeof found !== "string") {
        groups.set(from, (groups.get(from) ?? new Map<string, Statement>()).set(each, found))
        continue
      }
      const members = [...exportsOf(modules, found)].flatMap(([own, { found }]) =>
        typeof found === "string" ? [] : [member(own, found)]
      )
      const doc = modules.get(found)?.doc
      sections.push([`## ${each}`, source(found), doc, ...members].filter(Boolean).join("\n\n"))
    }
    for (const [origin, members] of groups) {
      const title = origin.replace(/^.*\//, "").replace(/\.ts$/, "")
      const doc = origin === path ? "" : (modules.get(origin)?.doc ?? "")
      const found = [...members].map(([each, statement]) => member(each, statement))
      sections.push([`## From ${title}`, source(origin), doc, ...found].filter(Boolean).join("\n\n"))
    }
    result.set(file, `# ${name}\n\n${[module.doc, ...sections].filter(Boolean).join("\n\n")}\n`)
    index.push(`- [\`${name}\`](${file}): ${[...new Set(listed)].join(", ")}`)
  }
  result.set(
    "README.md",
    `# API reference

Made from the sources; the examples in it are run by the tests where they stand in the sources.

${index.join("\n")}
`
  )
  return result
}

/** What a name stands for: a declaration, or, for a namespace, the path of its module. */
type Found = Statement | string

interface Exported {
  readonly found: Found
  /** The module that the first one has it from: its own path where it declares it. */
  readonly from: string
}

/** `a`, `type a` and `a as b` of a list in braces: the name within, and the name without. */
const namesIn = (code: string): ReadonlyArray<readonly [own: string, name: string]> =>
  (/\{([^}]*)\}/.exec(code)?.[1] ?? "").split(",").flatMap((each) => {
    const [own, name = own] = each
      .trim()
      .replace(/^type /, "")
      .split(" as ")
    return own === undefined || name === undefined || own === "" ? [] : [[own, name] as const]
  })

/** The module of this package that a statement names, as it is imported by the one at `path`. */
const moduleIn = (code: string, path: string): string | undefined => {
  const from = /from "(\.[^"]+)"/.exec(code)?.[1]
  return from === undefined
    ? undefined
    : normalize(join(dirname(path), from))
        .replaceAll("\\", "/")
        .replace(/\.js$/, ".ts")
}

/** All that a module exports, by the names that it has there, wherever each is declared. */
const exportsOf = (modules: ReadonlyMap<string, Module>, path: string): ReadonlyMap<string, Exported> => {
  const all = new Map<string, Exported>()
  const module = modules.get(path)
  if (module === undefined) return all
  for (const [name, found] of module.members) all.set(name, { found, from: path })
  for (const code of module.exports) {
    const from = moduleIn(code, path)
    const namespace = /^export \* as (\w+)/.exec(code)?.[1]
    if (from !== undefined && namespace !== undefined) all.set(namespace, { found: from, from })
    else if (from !== undefined && code.startsWith("export *")) {
      for (const [name, { found }] of exportsOf(modules, from))
        if (!all.has(name)) all.set(name, { found, from })
    } else {
      for (const [own, name] of namesIn(code)) {
        const found =
          from === undefined ? within(modules, path, own) : exportsOf(modules, from).get(own)?.found
        if (found !== undefined) all.set(name, { found: named(found, own, name), from: from ?? path })
      }
    }
  }
  return all
}

/** What a name of a module stands for in it: what it declares, or what it imports. */
const within = (modules: ReadonlyMap<string, Module>, path: string, name: string): Found | undefined => {
  const module = modules.get(path)
  const declared = module?.declared.get(name)
  if (module === undefined || declared !== undefined) return declared
  for (const code of module.imports) {
    const from = moduleIn(code, path)
    if (from === undefined) continue
    if (new RegExp(`^import (type )?\\* as ${name} `).test(code)) return from
    const own = namesIn(code).find(([, local]) => local === name)?.[0]
    if (own !== undefined) return exportsOf(modules, from).get(own)?.found
  }
  return undefined
}

/** A declaration by the name that it is exported by. */
const named = (found: Found, own: string, name: string): Found =>
  typeof found === "string" || own === name
    ? found
    : {
        ...found,
        code: found.code.replaceAll(
          new RegExp(`^((?:abstract )?(?:const|class|function|interface|type)) ${own}\\b`, "gm"),
          `$1 ${name}`
        )
      }

/** A page's place in the project. */
export const placeOf = (page: string): string => relative(root, join(root, "docs", "api", page))
