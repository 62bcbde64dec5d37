/**
 * What is bundled. The `segformer` command as one, so that it starts in the time that Node takes and not in that of a thousand
 * modules. What a command needs beyond its flags stays in chunks that are loaded when there is work.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Stdio } from "effect"
import { TerminalCapabilities } from "effect/cli"
import { defineConfig, type OutputOptions, rolldown, type RolldownOptions } from "rolldown"
import { parseAst } from "rolldown/parseAst"
import { Visitor } from "rolldown/utils"

const sources = fileURLToPath(new URL("./src/", import.meta.url))

/** What the command prints, in colours, by the words of each question about it. */
const answers = async (): Promise<Readonly<Record<string, string>>> => {
  // Not by a plain import, which would put all that the command may load into this configuration.
  const program = pathToFileURL(join(sources, "cli/Program.ts")).href
  const { command, program: run }: typeof import("./src/cli/Program.ts") = await import(program)
  const paths = [[], ...command.subcommands.flatMap(({ commands }) => commands.map(({ name }) => [name]))]
  const questions = [
    ...paths.map((path) => [...path, "--help"]),
    ["--version"],
    ...["bash", "zsh", "fish", "powershell"].map((shell) => ["--completions", shell])
  ]
  const ask = Effect.fnUntraced(function* (words: ReadonlyArray<string>) {
    const printed: Array<string> = []
    const log = (line: string) => void printed.push(`${line}\n`)
    yield* run.pipe(
      Effect.provideService(Console.Console, { ...globalThis.console, log }),
      Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
        canColor: true,
        canAnimate: false,
        canPrompt: false
      }),
      Effect.provide(Layer.provideMerge(Stdio.layerTest({ args: Effect.succeed(words) }), NodeServices.layer))
    )
    return [JSON.stringify(words), printed.join("")] as const
  })
  return Object.fromEntries(await Effect.runPromise(Effect.forEach(questions, ask)))
}

/** Modules that are started by their address (workers, processes) by the name that they have once they are built. */
const built = (code: string): string => code.replaceAll(/"(\.\/\w+)\.ts"/g, '"$1.js"')

/**
 * Into `folder`. Modules that look for files beside them (models, pages, processes of their own) look where the module
 * itself is: in the built library beside the bundle (`library`), or in these sources.
 */
export const bundle = (
  folder: string,
  library: string | undefined
): RolldownOptions & { readonly output: OutputOptions } => ({
  input: join(sources, "cli/main.ts"),
  platform: "node",
  // Peers that a user may be without, and that have binaries or processes of their own. What stands on Effect is within:
  // two copies of Effect do not read each other's secrets, so the database of runs would get no password.
  external: [/^(sharp|onnxruntime-(node|web)|@cantoo\/pdf-lib|@jsquash\/jpeg)($|\/)/],
  resolve: { conditionNames: ["effect-segformer-source", "node", "import", "module", "default"] },
  plugins: [
    {
      // `export *` of a CommonJS module is lost where the module is imported dynamically: its names are listed instead.
      name: "undici",
      load: (id) => {
        if (!/platform-node[\\/]dist[\\/]Undici\.js$/.test(id)) return null
        const names = Object.keys(createRequire(id)("undici")).filter((name) => name !== "default")
        return `import undici from "undici"\nexport default undici\nexport const { ${names.join(", ")} } = undici`
      }
    },
    {
      name: "answers",
      load: async (id) =>
        id === join(sources, "cli/Answers.ts")
          ? `export const answers = JSON.parse(${JSON.stringify(JSON.stringify(await answers()))})`
          : null
    },
    {
      name: "place",
      load: (id) => {
        if (!id.startsWith(sources) || !id.endsWith(".ts")) return null
        const text = readFileSync(id, "utf8")
        if (!text.includes("import.meta.url")) return null
        const own = relative(sources, id)
        const place =
          library === undefined
            ? JSON.stringify(pathToFileURL(id).href)
            : `new URL(${JSON.stringify(relative(folder, join(library, own.replace(/\.ts$/, ".js"))))}, import.meta.url).href`
        const named = library === undefined ? text : built(text)
        return { code: named.replaceAll("import.meta.url", place), moduleType: "ts" }
      }
    }
  ],
  output: { dir: folder, format: "esm", minify: true, cleanDir: true }
})

const dist = fileURLToPath(new URL("./dist", import.meta.url))

/** The page's modules as one: a browser asks once, and what they have in common is packed once. Each worker is a script of its own. */
export const page = (folder: string): ReadonlyArray<RolldownOptions & { readonly output: OutputOptions }> =>
  ["main", "DrawingWorker"].map((name) => ({
    input: join(sources, `server/page/client/${name}.ts`),
    platform: "browser",
    output: { dir: folder, format: "esm", minify: true }
  }))

/** Scripts of the page without a server, by their names, and what each is made of. */
const scripts = {
  main: "server/page/client/main.ts",
  DrawingWorker: "server/page/client/DrawingWorker.ts",
  ServiceWorker: "server/page/client/ServiceWorker.ts",
  ModelWorker: "server/page/model/ModelWorker.ts",
  SessionWorker: "onnx/web/worker.ts",
  DecodingWorker: "image/decoding/worker.ts"
}

/** What stands beside the scripts: what others have built is copied, and its files find each other by their names. */
const copied: Readonly<Record<string, string>> = {
  "onnxruntime-web/wasm": "./ort.js",
  // The page asks for WebAssembly.
  "onnxruntime-web/webgpu": "./ort.js",
  "@jsquash/jpeg/decode.js": "./jpeg/decode.js",
  "@jsquash/jpeg/encode.js": "./jpeg/encode.js"
}

/** Each script of the page without a server as one, into `folder`. */
export const site = (folder: string): ReadonlyArray<RolldownOptions & { readonly output: OutputOptions }> =>
  Object.entries(scripts).map(([name, path]) => ({
    input: { [name]: join(sources, path) },
    platform: "browser",
    resolve: { conditionNames: ["effect-segformer-source", "browser", "module", "import", "default"] },
    plugins: [
      {
        name: "browser",
        resolveId: (id, from) => {
          const path = copied[id]
          if (path !== undefined) return { id: path, external: true }
          const isWriter = id.endsWith("/files/LabelPngWriter.ts") && from?.startsWith(sources)
          return isWriter === true ? join(sources, "server/page/model/LabelPngs.ts") : null
        }
      }
    ],
    output: {
      dir: folder,
      format: "esm",
      minify: true,
      entryFileNames: "[name].js",
      codeSplitting: false
    }
  }))

/** The same in memory. */
export const siteScripts = async (): Promise<
  ReadonlyArray<{ readonly name: string; readonly bytes: Uint8Array }>
> =>
  Promise.all(
    site("unwritten").map(async ({ output, ...input }) => {
      const [{ code, fileName }] = (await (await rolldown(input)).generate(output)).output
      return { name: fileName, bytes: new TextEncoder().encode(code) }
    })
  )

interface Range {
  readonly start: number
  readonly end: number
}

/**
 * A module whose parts bundlers leave out that nobody uses: what it makes when it is loaded (layers, services, schemas,
 * errors, functions in two forms) has no other effect, and is said to have none. A call is said so by a mark before it;
 * what has parts of other things in it (`...fields`), which esbuild keeps whatever is called, by a function around it.
 */
const withoutEffects = (code: string): string => {
  const makers: Array<Range> = []
  const calls: Array<Range> = []
  const parts: Array<Range> = []
  let depth = 0
  const enter = () => void depth++
  const leave = () => void depth--
  // Not functions' bodies, which run later, and not statements of their own, which are there for what they do.
  const into = (found: Array<Range>) => (range: Range | null) => {
    if (depth === 0 && range !== null) found.push(range)
  }
  const maker = into(makers)
  new Visitor({
    ArrowFunctionExpression: enter,
    "ArrowFunctionExpression:exit": leave,
    FunctionDeclaration: enter,
    "FunctionDeclaration:exit": leave,
    FunctionExpression: enter,
    "FunctionExpression:exit": leave,
    VariableDeclarator: ({ init }) => maker(init),
    ClassDeclaration: ({ superClass }) => maker(superClass),
    PropertyDefinition: (part) => (part.static ? maker(part.value) : enter()),
    "PropertyDefinition:exit": (part) => part.static || leave(),
    CallExpression: into(calls),
    NewExpression: into(calls),
    SpreadElement: into(parts)
  }).visit(parseAst(code))
  const within =
    ({ end, start }: Range) =>
    (each: Range) =>
      each.start >= start && each.end <= end
  const told = makers.flatMap((made): ReadonlyArray<readonly [at: number, text: string]> =>
    parts.some(within(made))
      ? [
          [made.start, "/* @__PURE__ */ (() => ("],
          [made.end, "))()"]
        ]
      : calls.filter(within(made)).map(({ start }) => [start, "/* @__PURE__ */ "])
  )
  return [...new Map(told)]
    .toSorted(([a], [b]) => b - a)
    .reduce((text, [at, mark]) => text.slice(0, at) + mark + text.slice(at), code)
}

/** Effect's modules by the name that its index `index` has for them. */
const modulesOf = (index: string): ReadonlyMap<string, string> => {
  const text = readFileSync(createRequire(import.meta.url).resolve(index), "utf8")
  const names = text.matchAll(/^export \* as (\w+) from "\.\/(\w+)\.js"/gm)
  return new Map(Array.from(names, ([, name = "", file = ""]) => [name, `${index}/${file}`]))
}

/** A module of Effect rather than the index that has it: esbuild keeps all of a namespace that an index exports. */
const withoutIndex = (code: string): string =>
  code.replaceAll(
    /^import \{ ([^}]+) \} from "(effect(?:\/[a-z-]+)?)";$/gm,
    (_, names: string, index: string) => {
      const modules = modulesOf(index)
      const parts = names.split(", ").map((each) => {
        const [name = "", alias = name] = each.split(" as ")
        const module = modules.get(name)
        return module === undefined
          ? `import { ${each} } from "${index}";`
          : `import * as ${alias} from "${module}";`
      })
      return parts.join(" ")
    }
  )

/**
 * Modules that every call loads, with all that they import. What is loaded later names them all, for nothing but esbuild: it puts
 * into one chunk what the same parts of a program import, and would make a dozen of these, each packed alone.
 */
const together = [
  "Segmentation",
  "http/SegFormerHttp",
  "image/ImageOpening",
  "mask/ClassTable",
  "mask/LabelMap",
  "policy/PolicyRunner",
  "service/Exchange",
  "service/ServiceError"
]

/** The rooms whose modules are in a program that calls a service. */
const calling = "{*,{http,image,mask,policy,service}/**/*}.js"

const pathFrom = (file: string, to: string): string => {
  const path = relative(dirname(file), join(dist, `${to}.js`)).replaceAll("\\", "/")
  return path.startsWith(".") ? path : `./${path}`
}

/** An import of nothing is in a module's list of imports, and in no program that is bundled. */
const withTheFirst = (file: string, code: string): string =>
  code + together.map((to) => `\nexport {} from "${pathFrom(file, to)}";`).join("")

/**
 * What bundlers leave out of a program that does not use it, in what `tsc` has made. And modules that are started by their
 * address get the name that they have now.
 */
const lean = {
  name: "lean",
  writeBundle: () => {
    for (const file of globSync(join(dist, "**/*.js"), { exclude: [join(dist, "cli/**")] })) {
      const code = withoutIndex(built(readFileSync(file, "utf8")))
      writeFileSync(file, withoutEffects(code))
    }
    const callers = globSync(join(dist, calling)).map((file) => ({ file, code: readFileSync(file, "utf8") }))
    const later = new Set(
      callers.flatMap(({ code, file }) =>
        Array.from(code.matchAll(/\bimport\("(\.[^"]+)"\)/g), ([, path = ""]) => join(dirname(file), path))
      )
    )
    for (const file of later) writeFileSync(file, withTheFirst(file, readFileSync(file, "utf8")))
  }
}

export default defineConfig([
  bundle(join(dist, "cli"), dist),
  // Once, behind the last of them: it is about the whole of `dist`.
  ...page(join(dist, "server/page/client")).map((one, index, all) =>
    index === all.length - 1 ? { ...one, plugins: [lean] } : one
  ),
  ...site(join(dist, "server/page/site"))
])
