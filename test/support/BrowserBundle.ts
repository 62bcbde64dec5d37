/** A program bundled for browsers as its users would: by Vite, which finds workers, WebAssembly and the model by their addresses. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"
import { build } from "vite"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** The folder of a site whose page runs this module. */
export const site = (program: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(root, "node_modules", ".segformer-site-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    writeFileSync(
      join(folder, "index.html"),
      `<!doctype html><title>A page</title><script type="module" src="${program}"></script>`
    )
    yield* Effect.promise(() =>
      build({
        root: folder,
        configFile: false,
        logLevel: "error",
        resolve: { conditions: ["effect-segformer-source", "browser", "module", "import", "default"] },
        worker: { format: "es" },
        build: { outDir: join(folder, "site"), target: "esnext", modulePreload: false, assetsInlineLimit: 0 }
      })
    )
    return join(folder, "site")
  })
