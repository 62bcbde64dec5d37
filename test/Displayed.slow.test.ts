/** Types as an editor shows them and as declarations have them: by the names that users know, and not what these stand for. */
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"

const folder = join(import.meta.dirname, ".displayed")
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const program = `import { Config, Effect, Stream } from "effect"
import { ImageSource, segment, segmentAll, Transports } from "effect-segformer"
import { PredictionCache } from "effect-segformer/cache"
import { SegFormerConfig, SegFormerHttp } from "effect-segformer/http"
import { BinaryMask, Morphology } from "effect-segformer/mask"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { SegFormerServer } from "effect-segformer/server"

export const one = segment(ImageSource.file("a.png"))
export const many = segmentAll(Stream.make(ImageSource.url("https://a/b.png")))
export const stopping = segmentAll(Stream.make(ImageSource.bytes(new Uint8Array())), { stopOnFailure: true })
export const regions = Effect.flatMap(one, (found) => found.regions)
export const service = SegFormerHttp.layer({ baseUrl: "http://a" })
export const configured = SegFormerHttp.layerConfig(SegFormerConfig.config)
export const model = SegFormerOnnx.layer()
export const server = SegFormerServer.layer()
export const serverOfPort = SegFormerServer.layerConfig({ port: Config.Port("PORT") })
export const cached = PredictionCache.layer()
export const either = Transports.fallback([service, model])
export const models = Transports.named({ small: model, large: service })
export const chosen = one.pipe(models.use("large"))
export const opened = Morphology.open({ radius: 1 })
export const both = BinaryMask.and(BinaryMask.empty(1, 1), BinaryMask.empty(1, 1))
`

const expected: Readonly<Record<string, string>> = {
  one: "Effect.Effect<Segmentation, SegmentationError, FileSystem | Transport>",
  many: "Stream.Stream<SegmentedItem, never, HttpClient | Transport>",
  stopping: "Stream.Stream<Segmentation, SegmentationError, Transport>",
  regions: "Effect.Effect<readonly Region[], SegmentationError, FileSystem | Transport>",
  chosen:
    'Effect.Effect<Segmentation, SegmentationError, FileSystem | Transports.NamedMembers<"large" | "small">>',
  models: 'Transports.Named<"large" | "small", LoadError, HttpClient | ImageCodec>',
  service: "Layer<Transport, InvalidUrl, HttpClient>",
  configured: "Layer<Transport, ConfigError | InvalidUrl, HttpClient>",
  model: "Layer<Transport, LoadError, ImageCodec>",
  server: "Layer<SegFormerServer, StartError, Needs>",
  serverOfPort: "Layer<SegFormerServer, ConfigError | StartError, Needs>",
  cached: "Layer<Transport, never, PredictionStore | Transport>",
  opened: "(self: BinaryMask) => BinaryMask",
  both: "BinaryMask"
}

/** A type without where its names come from, the members of a union in one order. */
const plain = (type: string): string =>
  type
    .replaceAll(/import\("[^"]+"\)\./g, "")
    .replaceAll(
      /\b(?:Layer|FileSystem|HttpClient|Config|Region|SegFormerOnnx|PredictionStore|BinaryMask|Policy)\.(?=[A-Z])/g,
      ""
    )
    .replaceAll(/\w+(?: \| \w+)+/g, (union) => union.split(" | ").toSorted().join(" | "))

describe("types as displayed", () => {
  it("are short, and say what is needed and what can fail by name", () => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, "program.ts"), program)
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: "../../tsconfig.json",
        compilerOptions: {
          noEmit: false,
          emitDeclarationOnly: true,
          declaration: true,
          outDir: "out",
          rootDir: "../.."
        },
        include: ["program.ts"],
        exclude: []
      })
    )
    const tsc = join("node_modules", "typescript", "bin", "tsc")
    execFileSync(process.execPath, [tsc, "-p", folder])
    const text = readFileSync(join(folder, "out/test/.displayed/program.d.ts"), "utf8")
    const shown = Object.fromEntries(
      Array.from(text.matchAll(/^export declare const (\w+): ([\s\S]*?);$/gm), ([, name, type]) => [
        name,
        plain(type!)
      ])
    )
    for (const [name, type] of Object.entries(expected)) assert.strictEqual(shown[name], type, name)
    // What members of several kinds can fail with and need is all of it.
    assert.match(shown["either"] ?? "", /^Layer<Transport, .*LoadError.*, .*HttpClient.*ImageCodec/)
  })
})
