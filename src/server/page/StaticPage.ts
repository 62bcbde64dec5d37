/**
 * The page without a server: files for any web host, with a model in them that runs in the visitor's browser. All else is the
 * page of `SegFormerServer`.
 *
 * What is heavy (ONNX Runtime in WebAssembly, the model) is packed by Zstandard here and unpacked by the page, whatever the
 * host does. A service worker keeps all files with the first visit, after which the page opens without a network. No
 * script, style or request is of another host.
 *
 * ```ts
 * import { ModelSource } from "effect-segformer/onnx"
 * import { StaticPage } from "effect-segformer/server"
 *
 * // The files, to be written below one folder.
 * export const files = StaticPage.files({ model: ModelSource.bundled })
 * ```
 */
import { readFile, readdir } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, extname, join } from "node:path"
import { promisify } from "node:util"
import { constants, gzipSync, zstdCompress } from "node:zlib"
import { Effect } from "effect"
import { DependencyMissing } from "../../image/ImageError.ts"
import { firstLineOf } from "../../SystemError.ts"
import type { Model, ModelError, ModelSource } from "../../onnx/Model.ts"
import * as WeightFiles from "../../onnx/WeightFiles.ts"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import { defaults } from "../ServerLimits.ts"
import * as ModelFiles from "./ModelFiles.ts"
import * as Page from "./Page.ts"

/** A file of the site. */
export interface SiteFile {
  /** Below the site's folder, with `/` between. */
  readonly path: string
  readonly bytes: Uint8Array
}

/** Bytes of a file as hosts send it: they pack text by gzip, and nothing else. */
export const wireBytes = ({ bytes, path }: SiteFile): number =>
  /\.(?:css|html|js|json|svg)$/.test(path) ? gzipSync(bytes).length : bytes.length

export interface StaticPageOptions<R = never> {
  readonly model: ModelSource<R>
  /** Which of the model's files, such as `quantized`. `model` by default. */
  readonly variant?: string | undefined
}

/** All files of the site. */
export const files = Effect.fnUntraced(function* <R = never>({
  model,
  variant = "model"
}: StaticPageOptions<R>): Effect.fn.Return<ReadonlyArray<SiteFile>, ModelError | DependencyMissing, R> {
  const opened = yield* model.open(variant)
  const parts = yield* Effect.all(
    [
      Effect.promise(Page.statics),
      Effect.promise(scripts),
      modelFiles(opened),
      fromPackages(runtimeFiles),
      fromPackages(jpegFiles)
    ],
    { concurrency: "unbounded" }
  )
  return compose(parts.flat())
})

/** Scripts that stand in front of the rest: their address stays, and what they hold says what is new. */
const serviceWorker = "ServiceWorker.js"

/** What only a server has, such as the description of its API. */
const ofServer = /\s*<(nav|span) class="of-server"[\s\S]*?<\/\1>/g

const compose = (all: ReadonlyArray<Page.File>): ReadonlyArray<SiteFile> => {
  const worker = all.find(({ name }) => name === serviceWorker)
  if (worker === undefined) throw new Error("The page has no service worker: the package is not whole")
  const { document, folder, parts } = Page.make(
    all.filter((file) => file !== worker),
    `data-local="./offline.js" ${Page.limits(defaults)}`,
    (name) => name === "main.js"
  )
  const html = document
    .replaceAll(ofServer, "")
    .replace(
      `<meta charset="utf-8" />`,
      `<meta charset="utf-8" />\n    <meta http-equiv="content-security-policy" content="${Page.policy.join("; ")}" />`
    )
  const within = parts.map(({ bytes, name }) => ({ path: `${folder}/${name}`, bytes }))
  const known = {
    version: Page.digest([html, folder]),
    paths: ["./", ...within.map(({ path }) => path)]
  }
  const list = Buffer.from(`const files = ${JSON.stringify(known)};\n`)
  return [
    ...within,
    { path: "offline.js", bytes: Buffer.concat([list, worker.bytes]) },
    { path: "index.html", bytes: Buffer.from(html) }
  ]
}

/** Bundled with the package; from its sources they are bundled now. */
const scripts = async (): Promise<ReadonlyArray<Page.File>> => {
  if (extname(import.meta.url) === ".ts") {
    const config = new URL("../../../rolldown.config.ts", import.meta.url).href
    const { siteScripts }: { readonly siteScripts: () => Promise<ReadonlyArray<Page.File>> } = await import(
      config
    )
    return siteScripts()
  }
  const folder = new URL("./site/", import.meta.url)
  return Promise.all((await readdir(folder)).map((name) => Page.read(folder, name)))
}

const zstd = promisify(zstdCompress)

/** Slowly and well: it is done once, and loaded by everyone. */
const packed = (bytes: Uint8Array): Promise<Uint8Array> =>
  zstd(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_windowLog]: 24 }
  })

const modelFiles = ({
  bytes,
  file,
  outside,
  ...described
}: Model): Effect.Effect<ReadonlyArray<Page.File>, ModelNotLoadable> =>
  Effect.tryPromise({
    try: async () => {
      const model = bytes ?? (await readFile(file))
      const beside =
        bytes === undefined
          ? await Promise.all(
              WeightFiles.outside(model).map(
                async (name) => [name, await readFile(join(dirname(file), name))] as const
              )
            )
          : Object.entries(outside ?? {})
      const about: ModelFiles.Described = { ...described, outside: beside.map(([name]) => name) }
      return [
        { name: "model.json", bytes: Buffer.from(JSON.stringify(about)) },
        { name: "model.onnx.zst", bytes: await packed(model) },
        ...(await Promise.all(
          beside.map(async ([, data], at) => ({ name: ModelFiles.weights(at), bytes: await packed(data) }))
        ))
      ]
    },
    catch: (cause) =>
      new ModelNotLoadable({ model: described.name, detail: `${file} cannot be read (${String(cause)})` })
  })

interface FromPackage {
  readonly package: string
  /** A file of it that can be asked for, in whose folder the others are. */
  readonly entry: string
  /** By their names in the site. */
  readonly names: Readonly<Record<string, string>>
}

/** Who runs the model, with its WebAssembly. */
const runtimeFiles: FromPackage = {
  package: "onnxruntime-web",
  entry: "onnxruntime-web/wasm",
  names: { "ort.js": "ort.wasm.bundle.min.mjs", "ort.wasm.zst": "ort-wasm-simd-threaded.wasm" }
}

/** Who reads JPEG as servers do. */
const jpegFiles: FromPackage = {
  package: "@jsquash/jpeg",
  entry: "@jsquash/jpeg/decode.js",
  names: Object.fromEntries(
    ["decode.js", "meta.js", "utils.js", "codec/dec/mozjpeg_dec.js", "codec/dec/mozjpeg_dec.wasm"].map(
      (name) => [`jpeg/${name}`, name]
    )
  )
}

const fromPackages = ({
  entry,
  names,
  package: name
}: FromPackage): Effect.Effect<ReadonlyArray<Page.File>, DependencyMissing> =>
  Effect.tryPromise({
    try: async () => {
      const folder = dirname(createRequire(import.meta.url).resolve(entry))
      return Promise.all(
        Object.entries(names).map(async ([name, file]) => {
          const bytes = await readFile(join(folder, file))
          return { name, bytes: name.endsWith(".zst") ? await packed(bytes) : bytes }
        })
      )
    },
    catch: (cause) =>
      new DependencyMissing({
        packages: [name],
        purpose: "A page without a server",
        detail: firstLineOf(cause)
      })
  })
