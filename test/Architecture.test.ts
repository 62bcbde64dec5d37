import { globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { version } from "../src/version.ts"

/** Rooms from the top of the house down: each imports only those before it. The root modules are a room of their own. */
const rooms = [
  "mask",
  "policy",
  "service",
  "image",
  "render",
  "files",
  "jobs",
  ".",
  "cache",
  "http",
  "onnx",
  "tiled",
  "testing",
  "companions",
  "batch",
  "server",
  "cli"
]

/** Rooms, or single modules, that may use Node and what runs on it alone. */
const onNode = [
  /^src\/(tiled|batch|server|cli)\//,
  /^src\/onnx\/(native\/|index\.ts$)/,
  /^src\/files\/(Lock|LabelPngWriter|LabelTiffWriter|TemporaryFolder)\.ts$/,
  /^src\/image\/(SharpCodec|SharpModule|sharp)\.ts$/,
  /^src\/testing\/(FaultyService|HeldPort|Bomb|node)\.ts$/,
  /^src\/service\/(NodeAddressGuard|NodeDecompressors|NodeHttp|NodeProxy|node)\.ts$/
]

const roomOf = (path: string): string => {
  const folder = dirname(path).split("/")[1]
  // The Node codec stands behind an entry of its own; everything else of its folder is the room.
  return folder ?? "."
}

/** Root modules that every room may use: they hold no concept of the house, and import nothing of it. */
const shared = new Set([
  "src/BackgroundWorker.ts",
  "src/ErrorKind.ts",
  "src/randomHex.ts",
  "src/SystemError.ts",
  "src/TelemetryNames.ts",
  "src/version.ts"
])

const modules = globSync("src/**/*.ts").map((path) => {
  const text = readFileSync(path, "utf8")
  // Doc comments show imports too: only code counts.
  const code = text.replaceAll(/\/\*\*[\s\S]*?\*\//g, "").replaceAll(/ \/\/.*$/gm, "")
  const imports = Array.from(code.matchAll(/(?:from|import) ?\(?"([^"]+)"/g), (match) => match[1]!)
  return { path, text, code, imports }
})

/** Relative imports of a module, as paths: those of types, and those that happen later, too. */
const targetsOf = ({ imports, path }: (typeof modules)[number]): ReadonlyArray<string> =>
  imports
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(join(dirname(path), specifier)))

/** Modules that reach each other (Tarjan's strongly connected components), each set of at least two sorted. */
const circles = (graph: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<ReadonlyArray<string>> => {
  const found: Array<ReadonlyArray<string>> = []
  const order = new Map<string, number>()
  const open: Array<string> = []
  /** The earliest open module that this one reaches. */
  const visit = (path: string): number => {
    const own = order.size
    order.set(path, own)
    open.push(path)
    let least = own
    for (const target of graph.get(path) ?? []) {
      if (!order.has(target)) least = Math.min(least, visit(target))
      else if (open.includes(target)) least = Math.min(least, order.get(target)!)
    }
    if (least === own) {
      const circle = open.splice(open.indexOf(path))
      if (circle.length > 1 || graph.get(path)?.includes(path) === true) found.push(circle.toSorted())
    }
    return least
  }
  for (const path of graph.keys()) if (!order.has(path)) visit(path)
  return found
}

describe("the house", () => {
  it("every folder is a room", () => {
    const found = new Set(modules.map(({ path }) => roomOf(path)))
    assert.deepStrictEqual(
      [...found].filter((room) => !rooms.includes(room)),
      []
    )
  })

  it("a room imports only rooms above it", () => {
    const wrong = modules.flatMap((module) =>
      targetsOf(module)
        .filter(
          (target) =>
            !shared.has(target) && rooms.indexOf(roomOf(target)) > rooms.indexOf(roomOf(module.path))
        )
        .map((target) => `${module.path} imports ${target}`)
    )
    assert.deepStrictEqual(wrong, [])
  })

  it("what every room may use imports nothing of the house, and no exception is left over", () => {
    const paths = new Set(modules.map(({ path }) => path))
    assert.deepStrictEqual(
      [...shared].filter((path) => !paths.has(path)),
      []
    )
    assert.deepStrictEqual(modules.filter(({ path }) => shared.has(path)).flatMap(targetsOf), [])
  })

  it("no modules import each other, be it in a circle, for a type, or later", () => {
    assert.deepStrictEqual(circles(new Map(modules.map((module) => [module.path, targetsOf(module)]))), [])
    const known = new Set(modules.map(({ path }) => path))
    assert.deepStrictEqual(
      modules.flatMap((module) => targetsOf(module).filter((target) => !known.has(target))),
      []
    )
  })

  it("a circle is found wherever it is", () => {
    const graph = new Map([
      ["a", ["b", "d"]],
      ["b", ["c"]],
      ["c", ["d", "b"]],
      ["d", ["e"]],
      ["e", []],
      ["f", ["f", "a"]]
    ])
    assert.deepStrictEqual(circles(graph), [["b", "c"], ["f"]])
    assert.deepStrictEqual(circles(new Map([...graph, ["e", ["a"]]])), [["a", "b", "c", "d", "e"], ["f"]])
  })

  it("rooms that run anywhere import nothing of Node", () => {
    const wrong = modules
      .filter(({ path }) => !onNode.some((pattern) => pattern.test(path)))
      .flatMap(({ imports, path }) =>
        imports
          .filter((specifier) => /^node:|^@effect\/platform-node|^sharp$|^onnxruntime-node$/.test(specifier))
          .map((specifier) => `${path} imports ${specifier}`)
      )
    assert.deepStrictEqual(wrong, [])
  })

  it("nothing gives up its types", () => {
    const wrong = modules
      .filter(({ code }) => /\bas any\b|: any\b|<any>|as unknown as|@ts-ignore|@ts-expect-error/.test(code))
      .map(({ path }) => path)
    assert.deepStrictEqual(wrong, [])
  })

  it("modules stay short enough to read", () => {
    // Tables of data are data: palettes and fixtures may be long.
    const long = modules
      .filter(({ path }) => !path.includes("/datasets/") && !path.endsWith("Fixtures.ts"))
      .map(({ path, text }) => `${path}: ${text.split("\n").length}`)
      .filter((line) => Number(line.split(": ")[1]) > 500)
    assert.deepStrictEqual(long, [])
  })

  it("the version in the code is that of the package", () => {
    assert.strictEqual(version, JSON.parse(readFileSync("package.json", "utf8")).version)
  })
})
