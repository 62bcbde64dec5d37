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
  /^src\/(onnx|tiled|batch|server|cli)\//,
  /^src\/files\/(Lock|LabelPngWriter|LabelTiffWriter)\.ts$/,
  /^src\/image\/(SharpCodec|SharpModule|sharp)\.ts$/,
  /^src\/testing\/(FaultyService|Bomb|node)\.ts$/,
  /^src\/service\/(NodeAddressGuard|NodeHttp|node)\.ts$/
]

const roomOf = (path: string): string => {
  const folder = dirname(path).split("/")[1]
  // The Node codec stands behind an entry of its own; everything else of its folder is the room.
  return folder ?? "."
}

/** Root modules that every room may use: they hold no concept of the house. */
const shared = new Set(["src/randomHex.ts", "src/version.ts"])

const modules = globSync("src/**/*.ts").map((path) => {
  const text = readFileSync(path, "utf8")
  // Doc comments show imports too: only code counts.
  const code = text.replaceAll(/\/\*\*[\s\S]*?\*\//g, "").replaceAll(/ \/\/.*$/gm, "")
  const imports = Array.from(code.matchAll(/(?:from|import) ?\(?"([^"]+)"/g), (match) => match[1]!)
  return { path, text, code, imports }
})

describe("the house", () => {
  it("every folder is a room", () => {
    const found = new Set(modules.map(({ path }) => roomOf(path)))
    assert.deepStrictEqual(
      [...found].filter((room) => !rooms.includes(room)),
      []
    )
  })

  it("a room imports only rooms above it", () => {
    const wrong = modules.flatMap(({ imports, path }) =>
      imports
        .filter((specifier) => specifier.startsWith("."))
        .map((specifier) => normalize(join(dirname(path), specifier)))
        .filter(
          (target) => !shared.has(target) && rooms.indexOf(roomOf(target)) > rooms.indexOf(roomOf(path))
        )
        .map((target) => `${path} imports ${target}`)
    )
    assert.deepStrictEqual(wrong, [])
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
