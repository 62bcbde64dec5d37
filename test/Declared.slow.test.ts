/**
 * The declarations as a program that has the package sees them: all of them hold by themselves, and a program that gives on
 * what it has from an entry can have declarations of its own, as each part of a monorepo does.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const folder = join(import.meta.dirname, ".declared")
const packed = join(folder, "node_modules", "effect-segformer")
const { exports: entries }: { exports: Readonly<Record<string, unknown>> } = JSON.parse(
  readFileSync("package.json", "utf8")
)

/** Entries with types; a worker is started by its address, and has none to give. */
const specifiers = Object.keys(entries)
  .filter((entry) => !/\.(jpg|json|d\.ts)$|\/worker$/.test(entry))
  .map((entry) => `effect-segformer${entry.slice(1)}`)

/** What the compiler says of a project, a line each. */
const tsc = (...args: ReadonlyArray<string>): ReadonlyArray<string> => {
  try {
    execFileSync(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), ...args])
    return []
  } catch (error) {
    return String(Reflect.get(Object(error), "stdout"))
      .split("\n")
      .filter((line) => line.includes("error TS"))
  }
}

const compile = (
  name: string,
  files: Readonly<Record<string, string>>,
  options: object,
  include: ReadonlyArray<string> = ["."]
): ReadonlyArray<string> => {
  const own = join(folder, name)
  mkdirSync(own, { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(own, file), text)
  writeFileSync(
    join(own, "tsconfig.json"),
    JSON.stringify({
      extends: "../../../tsconfig.json",
      compilerOptions: { customConditions: [], noUnusedLocals: false, ...options },
      include,
      exclude: []
    })
  )
  return tsc("-p", own)
}

const declared = { noEmit: false, declaration: true, emitDeclarationOnly: true, outDir: "out" }

/** What a program has of the library under names of its own: each gets its types from what the library says. */
const program = `import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { ImageSource, segment, Transport, Transports } from "effect-segformer"
import { Projects } from "effect-segformer/companions"
import { SegFormerHttp } from "effect-segformer/http"
import { SegFormerServer } from "effect-segformer/server"
import { ServiceClient } from "effect-segformer/service"

const service = SegFormerHttp.layer({ baseUrl: "http://localhost:8080" })
export const server = SegFormerServer.layer({ models: { large: service } })
export const models = Transports.named({ small: service, large: service })
export const found = segment(ImageSource.file("panel.jpg")).pipe(models.use("large"))
export const parts = Effect.flatMap(found, (all) => Effect.all([all.labelMap, all.regions, all.uncertainty]))
export const circuit = Effect.flatMap(Transport, ({ runner }) => runner.circuit.state)
export const projects = Projects.layer

const byId = HttpApiEndpoint.get("byId", "/users/:id", { params: { id: Schema.String }, success: Schema.String })
export const UserApi = HttpApi.make("user").add(HttpApiGroup.make("users").add(byId))
export class Users extends ServiceClient.Service<Users>()("app/Users", UserApi, { service: "user" }) {}
export const name = Effect.flatMap(Users, ({ users }) => users.byId({ params: { id: "7" } }))
export const isWell = Effect.flatMap(Users, ServiceClient.health)
`

/** The lines that give on each value of a module, where it is called so; a class by what it makes. */
const givingOn = (name: string, module: object): ReadonlyArray<string> =>
  Object.entries(module).flatMap(([inner, value]) => {
    const path = `${name}.${inner}`
    const isClass =
      typeof value === "function" && Function.prototype.toString.call(value).startsWith("class ")
    return isClass
      ? Object.keys(value)
          .filter((key) => /^(make|layer|fake|toWebHandler)/.test(key))
          .map((key) => `${path}.${key}`)
      : [path]
  })

/** Files of a program: one for each module that an entry has, which knows of no other. */
const filesOf = async (specifier: string): Promise<Readonly<Record<string, string>>> => {
  const entry: object = await import(specifier)
  const isModule = (value: unknown) => Object.prototype.toString.call(value) === "[object Module]"
  const alone = Object.fromEntries(Object.entries(entry).filter(([, value]) => !isModule(value)))
  const file = (head: string, paths: ReadonlyArray<string>) =>
    [head, ...paths.map((path, at) => `export const given${at} = ${path}`), ""].join("\n")
  const prefix = specifier.replaceAll("/", "-")
  return {
    [`${prefix}.ts`]: file(`import * as Entry from "${specifier}"`, givingOn("Entry", alone)),
    ...Object.fromEntries(
      Object.entries(entry)
        .filter(([, value]) => isModule(value))
        .map(([name, module]) => [
          `${prefix}.${name}.ts`,
          file(`import { ${name} } from "${specifier}"`, givingOn(name, module))
        ])
    )
  }
}

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(packed, { recursive: true })
  // A package of its own, else the name would mean this one, by its paths.
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "program", type: "module" }))
  cpSync("package.json", join(packed, "package.json"))
  assert.deepStrictEqual(
    tsc("-p", "src", "--emitDeclarationOnly", "--declarationMap", "false", "--outDir", join(packed, "dist")),
    []
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("declarations", () => {
  it("hold by themselves, with libraries checked", () => {
    const wrong = compile("checked", {}, { skipLibCheck: false }, [
      "../node_modules/effect-segformer/dist/**/*"
    ])
    assert.deepStrictEqual(
      wrong.filter((line) => line.includes("effect-segformer")),
      []
    )
  })

  it("name what a program needs that gives on what it has from an entry", async () => {
    const files = await Promise.all(specifiers.map(filesOf))
    const wrong = compile("giving", Object.fromEntries(files.flatMap(Object.entries<string>)), declared)
    assert.deepStrictEqual(
      // TS2339: what is internal is there, and has no declaration.
      wrong.filter((line) => !line.includes("TS2339")),
      []
    )
  })

  it("name what a program has of the library", () => {
    assert.deepStrictEqual(compile("program", { "program.ts": program }, declared), [])
  })
})
