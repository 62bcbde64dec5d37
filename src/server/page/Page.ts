/**
 * The page at `/`: see what the segmenter sees, in a browser, through this server's own `/v1` API.
 *
 * Its files are read, compressed and given paths once, when the first server of a process starts: a request's path is
 * looked up among routes and never reaches the file system. All but the document itself stand under a path that names
 * their content (`/page/3f2a…/main.js`), and may be kept for ever; the document is asked for again each time and rarely
 * sent twice.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Page } from "effect-segformer/server"
 *
 * const routes = await Effect.runPromise(Page.routes())
 * routes[0]?.path // => "/"
 * ```
 */
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import * as nodeModule from "node:module"
import { extname } from "node:path"
import { promisify } from "node:util"
import { brotliCompress, constants, gzip } from "node:zlib"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import * as Exports from "../../mask/Exports.ts"
import type { DialectRoute } from "../Dialect.ts"

export interface PageOptions {
  /** Bytes of one image file, so that the page can refuse a larger one before it is sent. */
  readonly maxBytes?: number | undefined
  /** Pixels of one image, so that the page can offer to send a smaller one. */
  readonly maxPixels?: number | undefined
}

/** The document at `/` and what it is made of. Open to all: what needs a token is behind `/v1`, and the page asks for it. */
export const routes = (options: PageOptions = {}): Effect.Effect<ReadonlyArray<DialectRoute>> =>
  Effect.promise(async () => {
    const { files, routes } = await (ready ??= prepare().catch((cause: unknown) => {
      ready = undefined
      throw cause
    }))
    const { document } = make(files, limits(options), isModule)
    const first = await route("/", "index.html", Buffer.from(document), {
      "cache-control": "no-cache",
      "content-security-policy": [...policy, "frame-ancestors 'none'"].join("; "),
      "referrer-policy": "no-referrer"
    })
    return [first, ...routes]
  })

/** All but the document is the same for every server of a process, which compresses it once. */
let ready: ReturnType<typeof prepare> | undefined

const prepare = async () => {
  const files = [...(await statics()), ...(await modules())]
  const { folder, parts } = make(files, "", isModule)
  const routes = await Promise.all(
    parts.map(({ bytes, name }) =>
      route(`/${folder}/${name}`, name, bytes, { "cache-control": "public, max-age=31536000, immutable" })
    )
  )
  return { files, routes }
}

/** The document, and what it is made of, in a folder that names their content. Addresses are relative to the document. @internal */
export const make = (
  files: ReadonlyArray<File>,
  attributes: string,
  isPreloaded: (name: string) => boolean
): { readonly document: string; readonly folder: string; readonly parts: ReadonlyArray<File> } => {
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const folder = `page/${digest(sorted.flatMap(({ bytes, name }) => [name, bytes]))}`
  const found = sorted.find(({ name }) => name === "index.html")
  if (found === undefined) throw new Error("The page has no index.html: the package is not whole")
  const parts = sorted.filter((file) => file !== found)
  const document = Buffer.from(found.bytes)
    .toString()
    .replace("</head>", `${preloads(parts.filter(({ name }) => isPreloaded(name)))}</head>`)
    .replace("<html ", () => `<html ${attributes} `)
    // Relative, since a proxy or a host may have it under a path of its own.
    .replaceAll(`"./page/`, `"./${folder}/`)
  return { document, folder, parts }
}

/** What the page is told. @internal */
export const limits = ({ maxBytes, maxPixels }: PageOptions): string =>
  `data-max-bytes="${maxBytes ?? ""}" data-max-pixels="${maxPixels ?? ""}" data-formats="${formats}"`

/** The formats of export, for the page to offer. */
const formats = JSON.stringify(
  Exports.names
    .map((name) => Exports.formats[name])
    .map(({ description, ending, mediaType, title, uses }) => ({
      title,
      description,
      mediaType,
      ending,
      regions: uses.includes("regions")
    }))
)
  .replaceAll("&", "&amp;")
  .replaceAll('"', "&quot;")

/** Scripts, styles and requests of this server only; no markup from text, no frames, no forms that leave. @internal */
export const policy: ReadonlyArray<string> = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types default"
]

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".jpg": "image/jpeg"
}

/** A file of the page. @internal */
export interface File {
  readonly name: string
  readonly bytes: Uint8Array
}

/** @internal */
export const read = async (folder: URL, name: string): Promise<File> => ({
  name,
  bytes: await readFile(new URL(name, folder))
})

/** The document, its style and pictures. @internal */
export const statics = async (): Promise<ReadonlyArray<File>> => {
  const folder = new URL("./assets/", import.meta.url)
  return Promise.all((await readdir(folder)).map((name) => read(folder, name)))
}

/** The browser's modules. Where this package runs from its sources they lose their types here, as `tsc` would do. */
const modules = async (): Promise<ReadonlyArray<File>> => {
  const folder = new URL("./client/", import.meta.url)
  const own = extname(import.meta.url)
  const names = (await readdir(folder)).filter((name) => name.endsWith(own) && !name.endsWith(".d.ts"))
  return Promise.all(
    names.map(async (file) => {
      const text = Buffer.from((await read(folder, file)).bytes).toString()
      const code = own === ".ts" ? stripped(text) : text
      // The map that the last line of a compiled module names is not served.
      const served = code.replace(/^\/\/# sourceMappingURL=.*$/m, "")
      return { name: `${file.slice(0, -own.length)}.js`, bytes: Buffer.from(served) }
    })
  )
}

// By its module: where sources are not run as they are there is none.
const stripped = (code: string): string =>
  nodeModule.stripTypeScriptTypes(code).replaceAll(/(from\s+"\.\/\w+)\.ts"/g, '$1.js"')

/** Workers are asked for when they are needed. */
const isModule = (name: string): boolean => name.endsWith(".js") && !name.endsWith("Worker.js")

/** All modules are asked for at once, not as each is found in another. */
const preloads = (parts: ReadonlyArray<File>): string =>
  parts.map(({ name }) => `<link rel="modulepreload" href="./page/${name}">\n`).join("")

/** @internal */
export const digest = (parts: ReadonlyArray<string | Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest("hex").slice(0, 16)
}

const brotli = promisify(brotliCompress)
const zip = promisify(gzip)

const route = async (
  path: `/${string}`,
  name: string,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>
): Promise<DialectRoute> => {
  const type = types[extname(name)] ?? "application/octet-stream"
  const text = !type.endsWith("jpeg")
  const tag = digest([bytes])
  const answer = (body: Uint8Array, encoding?: string) => {
    const etag = `"${tag}${encoding === undefined ? "" : `-${encoding}`}"`
    const all = {
      ...headers,
      etag,
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
      ...(text ? { vary: "accept-encoding" } : {})
    }
    return {
      etag,
      whole: HttpServerResponse.uint8Array(body, {
        contentType: type,
        headers: encoding === undefined ? all : { ...all, "content-encoding": encoding }
      }),
      unchanged: HttpServerResponse.empty({ status: 304, headers: all })
    }
  }
  const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  const plain = answer(bytes)
  const [br, gz] = text
    ? [answer(await brotli(bytes, { params }), "br"), answer(await zip(bytes, { level: 9 }), "gzip")]
    : [plain, plain]
  return {
    method: "GET",
    path,
    handle: (request) =>
      Effect.sync(() => {
        const accepted = request.headers["accept-encoding"] ?? ""
        const chosen = takes(accepted, "br") ? br : takes(accepted, "gzip") ? gz : plain
        const known = request.headers["if-none-match"] ?? ""
        return known.includes(chosen.etag) ? chosen.unchanged : chosen.whole
      })
  }
}

/** Whether `Accept-Encoding` names an encoding and does not refuse it by `q=0`. */
const takes = (accepted: string, encoding: string): boolean =>
  accepted
    .split(",")
    .some((one) =>
      new RegExp(`^\\s*${encoding}\\s*(?:;\\s*q=(?!0(?:\\.0*)?\\s*$)[\\d.]+\\s*)?$`, "i").test(one)
    )
