/**
 * The `segformer` command as one bundle, so that it starts in the time that Node takes and not in that of a thousand
 * modules. What a command needs beyond its flags stays in chunks that are loaded when there is work.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { defineConfig, type OutputOptions, type RolldownOptions } from "rolldown"

const sources = fileURLToPath(new URL("./src/", import.meta.url))

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
  external: [/^(sharp|onnxruntime-node|@cantoo\/pdf-lib)($|\/)/],
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
        return { code: text.replaceAll("import.meta.url", place), moduleType: "ts" }
      }
    }
  ],
  output: { dir: folder, format: "esm", minify: true, cleanDir: true }
})

const dist = fileURLToPath(new URL("./dist", import.meta.url))

export default defineConfig(bundle(join(dist, "cli"), dist))
