/** A program bundled for browsers as its users would: by Vite, which finds workers, WebAssembly and the model by their addresses. */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Effect, type Scope } from "effect"
import type { InlineConfig } from "vite"

const root = fileURLToPath(new URL("../../", import.meta.url))
const run = promisify(execFile)

export interface SiteOptions {
  /** Modules of the page that are not bundled, and where they are. */
  readonly imports?: Readonly<Record<string, string>>
  /** The page, which names its module; by default an empty one with `program`. */
  readonly html?: string
}

/** The folder of a site whose page runs this module: a file, or with `html` the text of `main.ts`. */
export const site = (
  program: string,
  { html, imports }: SiteOptions = {}
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(root, "node_modules", ".segformer-site-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const map =
      imports === undefined ? "" : `<script type="importmap">${JSON.stringify({ imports })}</script>`
    const plain = `<!doctype html><title>A page</title>${map}<script type="module" src="${program}"></script>`
    writeFileSync(join(folder, "index.html"), html ?? plain)
    if (html !== undefined) writeFileSync(join(folder, "main.ts"), program)
    const options = {
      root: folder,
      configFile: false,
      logLevel: "error",
      resolve: { conditions: ["effect-segformer-source", "browser", "module", "import", "default"] },
      worker: { format: "es" },
      build: { outDir: join(folder, "site"), target: "esnext", modulePreload: false, assetsInlineLimit: 0 }
    } satisfies InlineConfig
    // In a process of its own: it takes some 700 MB, which this one would keep, and which each start of a process copies the pages of.
    const bundler = `import { build } from "vite"; await build(${JSON.stringify(options)})`
    yield* Effect.promise(() => run(process.execPath, ["--input-type=module", "-e", bundler], { cwd: root }))
    return join(folder, "site")
  })
