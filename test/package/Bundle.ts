/**
 * What a browser loads of this package, by each of three bundlers: what comes before the first answer, each file compressed as
 * it is sent, beside Effect and with it. And that nothing in it needs Node.
 */
import { writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { gzipSync } from "node:zlib"
import * as esbuild from "esbuild"
import { rolldown } from "rolldown"
import { build as vite } from "vite"
import { type Consumer, expect } from "./Consumer.ts"

/** Calls a service, and nothing else: what every page that segments has. */
const http = `import { ImageSource, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
globalThis.program = (bytes) => segment(ImageSource.bytes(bytes))
globalThis.layer = SegFormerHttp.layer({ baseUrl: "https://segformer.example" })
`

/** A whole page: the program runs, over `fetch`. */
const page = `import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
const layer = SegFormerHttp.layer({ baseUrl: location.origin })
globalThis.regions = (bytes) =>
  segment(ImageSource.bytes(bytes)).pipe(
    Effect.flatMap(({ regions }) => regions),
    Effect.provide(layer),
    Effect.provide(FetchHttpClient.layer),
    Effect.runPromise
  )
`

const mask = `import { Rle } from "effect-segformer/mask"
globalThis.encode = Rle.fromMask
`

interface Chunk {
  readonly name: string
  readonly code: string
  readonly isEntry: boolean
  /** What is loaded with it. */
  readonly imports: ReadonlyArray<string>
  /** What is loaded later, and what is left to whoever runs it. */
  readonly others: ReadonlyArray<string>
}

interface Bundle {
  readonly chunks: ReadonlyArray<Chunk>
  readonly warnings: ReadonlyArray<string>
}

/** As a page of HTML loads it, minified, without Effect or with it. */
type Bundler = (input: string, besideEffect: boolean) => Promise<Bundle>

const effect = /^effect($|\/)/
/** Optional, and asked for when they are needed. */
const peers = /^(onnxruntime-web|@jsquash\/jpeg)($|\/)/

interface Output {
  readonly type: string
  readonly fileName: string
  readonly code?: string
  readonly isEntry?: boolean
  readonly imports?: ReadonlyArray<string>
  readonly dynamicImports?: ReadonlyArray<string>
}

const chunksOf = (output: ReadonlyArray<Output>): ReadonlyArray<Chunk> =>
  output
    .filter(({ type }) => type === "chunk")
    .map(({ code = "", dynamicImports = [], fileName, imports = [], isEntry = false }) => ({
      name: fileName,
      code,
      isEntry,
      imports,
      others: dynamicImports
    }))

const byRolldown: Bundler = async (input, besideEffect) => {
  const warnings: Array<string> = []
  const build = await rolldown({
    input,
    platform: "browser",
    external: besideEffect ? [effect, peers] : [peers],
    onLog: (_, log) => warnings.push(log.message)
  })
  const { output } = await build.generate({ format: "esm", minify: true })
  await build.close()
  return { chunks: chunksOf(output), warnings }
}

const byVite: Bundler = async (input, besideEffect) => {
  const warnings: Array<string> = []
  const mode = process.env["NODE_ENV"]
  const built = await vite({
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      modulePreload: false,
      rolldownOptions: {
        input,
        external: besideEffect ? [effect, peers] : [peers],
        onwarn: ({ message }) => void warnings.push(message)
      }
    }
  })
  // It sets this to "production" for good, and npm then installs nothing that is for development.
  if (mode === undefined) delete process.env["NODE_ENV"]
  else process.env["NODE_ENV"] = mode
  const outputs = (Array.isArray(built) ? built : [built]).flatMap((each) =>
    "output" in each ? each.output : []
  )
  return { chunks: chunksOf(outputs), warnings }
}

const byEsbuild: Bundler = async (input, besideEffect) => {
  const { metafile, outputFiles, warnings } = await esbuild.build({
    entryPoints: [input],
    bundle: true,
    splitting: true,
    format: "esm",
    minify: true,
    platform: "browser",
    outdir: "out",
    write: false,
    metafile: true,
    external: [
      ...(besideEffect ? ["effect", "effect/*"] : []),
      "onnxruntime-web",
      "onnxruntime-web/*",
      "@jsquash/jpeg/*"
    ],
    logLevel: "silent"
  })
  const code = new Map(outputFiles.map(({ path, text }) => [basename(path), text]))
  const chunks = Object.entries(metafile.outputs).map(([path, { entryPoint = "", imports }]) => {
    const inside = imports.filter(({ external }) => external !== true)
    const isStatic = ({ kind }: { readonly kind: string }) => kind === "import-statement"
    return {
      name: basename(path),
      code: code.get(basename(path)) ?? "",
      isEntry: basename(entryPoint) === basename(input),
      imports: inside.filter(isStatic).map((each) => basename(each.path)),
      others: [
        ...inside.filter((each) => !isStatic(each)).map((each) => basename(each.path)),
        ...imports.filter(({ external }) => external === true).map((each) => each.path)
      ]
    }
  })
  return { chunks, warnings: warnings.map(({ text }) => text) }
}

const bundlers = { rolldown: byRolldown, vite: byVite, esbuild: byEsbuild } as const

/** The chunk that a page names, and all that it imports: a browser waits for these. */
const firstOf = (chunks: ReadonlyArray<Chunk>): ReadonlySet<Chunk> => {
  const first = new Set<Chunk>()
  const take = (chunk: Chunk | undefined): void => {
    if (chunk === undefined || first.has(chunk)) return
    first.add(chunk)
    for (const name of chunk.imports) take(chunks.find((each) => each.name === name))
  }
  for (const chunk of chunks) if (chunk.isEntry) take(chunk)
  return first
}

const sizeOf = (chunks: Iterable<Chunk>): number =>
  Array.from(chunks).reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0)

/** Bytes compressed. What esbuild keeps of a namespace (its #1420) is what its bound of one module is for. */
const bounds = [
  { name: "the core and HTTP", text: http, most: { rolldown: 24_000, vite: 24_000, esbuild: 24_000 } },
  { name: "one module of masks", text: mask, most: { rolldown: 1200, vite: 1200, esbuild: 3000 } }
] as const

/** With Effect's own. */
const wholes = [
  { name: "a page", text: page, most: { rolldown: 98_000, vite: 98_000, esbuild: 98_000 } },
  { name: "one module of masks", text: mask, most: { rolldown: 1200, vite: 1200, esbuild: 30_000 } }
] as const

const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`

/** What bundlers would drop, were it not said that it does something: a worker of one's own is one import. */
const workers = ["effect-segformer/onnx/web/worker", "effect-segformer/image/worker"]

export const check = async (consumer: Consumer): Promise<void> => {
  const measure = async (bundler: keyof typeof bundlers, text: string, besideEffect: boolean) => {
    const input = join(consumer.folder, "browser.js")
    writeFileSync(input, text)
    const bundle = await bundlers[bundler](input, besideEffect)
    const first = firstOf(bundle.chunks)
    return {
      ...bundle,
      first: sizeOf(first),
      later: sizeOf(bundle.chunks.filter((chunk) => !first.has(chunk)))
    }
  }
  for (const bundler of ["rolldown", "vite", "esbuild"] as const) {
    for (const worker of workers) {
      const { first, warnings } = await measure(bundler, `import "${worker}"\n`, false)
      expect(`by ${bundler} ${worker} is kept (${kB(first)})`, first > 2000 && warnings.length === 0)
    }
    for (const { most, name, text } of bounds) {
      const { first, later } = await measure(bundler, text, true)
      const rest = later === 0 ? "" : `, and ${kB(later)} for when it is needed`
      expect(
        `by ${bundler} ${name} are ${kB(first)} compressed beside Effect${rest} (at most ${kB(most[bundler])})`,
        first > 0 && first <= most[bundler]
      )
    }
    for (const { most, name, text } of wholes) {
      const { chunks, first, warnings } = await measure(bundler, text, false)
      const others = chunks.flatMap((chunk) => chunk.others.filter((other) => !other.endsWith(".js")))
      expect(
        `by ${bundler} ${name} with Effect are ${kB(first)} (at most ${kB(most[bundler])})`,
        first > 0 && first <= most[bundler]
      )
      expect(
        `by ${bundler} nothing of Node is left in it${[...others, ...warnings].map((each) => `\n     ${each}`).join("")}`,
        warnings.length === 0 && others.length === 0
      )
    }
  }
}
