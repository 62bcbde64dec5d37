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
  /** By name. */
  readonly members: ReadonlyMap<string, Statement>
  readonly exports: ReadonlyArray<string>
}

const nameOf = (code: string): string | undefined =>
  /^(?:export )?(?:declare )?(?:abstract )?(?:const|class|function|interface|type) (\w+)/.exec(code)?.[1]

const parse = (text: string): Module => {
  const all = statementsOf(text)
  const members = new Map<string, Statement>()
  for (const statement of all) {
    const name = nameOf(statement.code)
    if (name === undefined || !statement.code.startsWith("export ")) continue
    const base = all.find(({ code }) => code.startsWith(`declare const ${name}_base:`))
    const before = members.get(name)
    // An interface and a constant of one name are one thing to its users; so are overloads.
    const parts = [before?.code, base?.code, statement.code].filter((part) => part !== undefined)
    members.set(name, {
      comment: before?.comment ?? statement.comment,
      code: parts.map((part) => part.replace(/^(export )?(declare )?/, "")).join("\n")
    })
  }
  const first = all[0]
  const isFile =
    first !== undefined && (first.code === "" || /^(import|export \*|export \{)/.test(first.code))
  return {
    doc: (isFile ? first.comment : undefined)?.trim() ?? "",
    members,
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
    const named = new Map<string, Array<string>>()
    const listed: Array<string> = []
    for (const code of module.exports) {
      const from = /from "(\.[^"]+)"/.exec(code)?.[1]
      if (from === undefined) continue
      const origin = normalize(join(dirname(path), from)).replace(/\.js$/, ".ts")
      const of = modules.get(origin)
      if (of === undefined) continue
      const namespace = /^export \* as (\w+)/.exec(code)?.[1]
      if (namespace !== undefined) {
        const members = [...of.members].map(([each, statement]) => member(each, statement))
        sections.push([`## ${namespace}`, source(origin), of.doc, ...members].filter(Boolean).join("\n\n"))
        listed.push(namespace)
        continue
      }
      const names = code.startsWith("export * from")
        ? [...of.members.keys(), ...reexported(of)]
        : Array.from(/\{([^}]*)\}/.exec(code)?.[1]?.split(",") ?? [], (each) =>
            each
              .trim()
              .replace(/^type /, "")
              .split(" as ")[0]!
              .trim()
          ).filter((each) => each !== "")
      named.set(origin, [...(named.get(origin) ?? []), ...names])
    }
    if (module.members.size > 0) named.set(path, [...module.members.keys()])
    for (const [origin, names] of named) {
      const found = names.flatMap((each) => {
        const statement = find(modules, origin, each)
        return statement === undefined ? [] : [member(each, statement)]
      })
      if (found.length > 0) {
        const title = origin.replace(/^.*\//, "").replace(/\.ts$/, "")
        const doc = origin === path ? "" : (modules.get(origin)?.doc ?? "")
        sections.push([`## From ${title}`, source(origin), doc, ...found].filter(Boolean).join("\n\n"))
        listed.push(...names)
      }
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

/** The names that a module passes on from others. */
const reexported = (module: Module): ReadonlyArray<string> =>
  module.exports.flatMap((code) =>
    Array.from(/\{([^}]*)\}/.exec(code)?.[1]?.split(",") ?? [], (each) => each.trim().replace(/^type /, ""))
  )

/** Where a name is declared, through modules that pass it on. */
const find = (modules: ReadonlyMap<string, Module>, path: string, name: string): Statement | undefined => {
  const module = modules.get(path)
  const own = module?.members.get(name)
  if (module === undefined || own !== undefined) return own
  for (const code of module.exports) {
    const from = /from "(\.[^"]+)"/.exec(code)?.[1]
    if (from === undefined || (!code.startsWith("export * from") && !new RegExp(`\\b${name}\\b`).test(code)))
      continue
    const found = find(modules, normalize(join(dirname(path), from)).replace(/\.js$/, ".ts"), name)
    if (found !== undefined) return found
  }
  return undefined
}

/** A page's place in the project. */
export const placeOf = (page: string): string => relative(root, join(root, "docs", "api", page))
