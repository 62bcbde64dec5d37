/** The same program in a browser: bundled by Vite, its model and its decoders in workers. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { ImageCodec } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import type { Page } from "playwright-core"
import sharp from "sharp"
import * as BrowserBundle from "../support/BrowserBundle.ts"
import { hangs } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import * as Needs from "../support/Needs.ts"
import { serveFolders } from "../support/StaticServer.ts"
import * as Warm from "../support/Warm.ts"
import { panel } from "./support.ts"

const heldOut = fileURLToPath(new URL("../fixtures/heldout/", import.meta.url))
const program = fileURLToPath(new URL("./browser/program.ts", import.meta.url))

/** Pictures with what a canvas is known for: alpha, profiles, orientations. */
const pictures = Effect.promise(async () => {
  const { data, height, width } = panel(90, 60, 5)
  const opaque = () => sharp(data, { raw: { width, height, channels: 3 } })
  const seeThrough = Uint8Array.from({ length: 40 * 30 * 4 }, (_, i) => (i * 11 + (i >> 5)) & 255)
  const alpha = () => sharp(seeThrough, { raw: { width: 40, height: 30, channels: 4 } })
  return {
    "plain.png": await opaque().png().toBuffer(),
    "alpha.png": await alpha().png().toBuffer(),
    "alpha.webp": await alpha().webp({ lossless: true, exact: true }).toBuffer(),
    "turned.jpg": await opaque().jpeg({ quality: 95 }).withMetadata({ orientation: 6 }).toBuffer(),
    "turned.webp": await opaque().webp({ lossless: true }).withMetadata({ orientation: 6 }).toBuffer(),
    "mirrored.webp": await opaque().webp({ lossless: true }).withMetadata({ orientation: 4 }).toBuffer(),
    "plain.jpg": await opaque().jpeg({ quality: 95 }).toBuffer(),
    "wide.jpg": await opaque().jpeg({ chromaSubsampling: "4:4:4" }).withIccProfile("p3").toBuffer(),
    "cmyk.jpg": await opaque().toColourspace("cmyk").jpeg({ quality: 95 }).toBuffer(),
    "still.gif": await opaque().gif().toBuffer(),
    "heights.tif": await opaque().tiff().toBuffer()
  }
})

class Visited extends Context.Service<Visited, { readonly page: Page; readonly folder: string }>()(
  "test/onnx/Chromium/Visited"
) {
  static readonly layer = Layer.effect(
    Visited,
    Effect.gen(function* () {
      const made = yield* folder(yield* pictures)
      const site = yield* BrowserBundle.site(program)
      const origin = yield* serveFolders({ "/heldout/": heldOut, "/made/": made, "/": site })
      const browser = yield* Warm.browser
      const page = yield* Effect.acquireRelease(
        Effect.promise(() => browser.newPage()),
        (page) => Effect.promise(() => page.close())
      )
      page.setDefaultTimeout(hangs)
      yield* Effect.promise(async () => {
        await page.goto(`${origin}/`)
        await page.waitForFunction(() => "segformer" in window)
      })
      return { page, folder: made }
    })
  )
}

describe.skipIf(Needs.chromium === undefined)("in Chromium", () => {
  it.layer(Visited.layer, { excludeTestServices: true, timeout: hangs })("a page", (it) => {
    it.effect("gives the label maps of the binary, pixel for pixel, in a worker", () =>
      Effect.gen(function* () {
        const { page } = yield* Visited
        const names = readdirSync(heldOut).filter((name) => name.endsWith(".jpg"))
        for (const [codec, name] of [
          ["pure", names[0]!],
          ["canvas", names[1]!],
          ["pure", names[2]!]
        ] as const) {
          const found = yield* Effect.promise(() =>
            page.evaluate((asked) => window.segformer.labels(asked), { codec, picture: `/heldout/${name}` })
          )
          const there = yield* Effect.provide(
            Effect.flatMap(segment(ImageSource.file(heldOut + name)), ({ labelMap }) => labelMap),
            Warm.model
          )
          assert.deepStrictEqual([found.width, found.height], [there.width, there.height])
          assert.deepStrictEqual(
            new Uint8Array(Buffer.from(found.data, "base64")),
            there.data,
            `${name} by ${codec}`
          )
        }
      }).pipe(Effect.provide(NodeFileSystem.layer))
    )

    const expected: ReadonlyArray<readonly [name: string, codec: "canvas" | "pure", furthest: number]> = [
      ["plain.png", "canvas", 0],
      ["plain.png", "pure", 0],
      // Colours beneath transparency are kept, which a canvas alone loses.
      ["alpha.png", "canvas", 0],
      ["alpha.webp", "canvas", 0],
      ["plain.jpg", "pure", 0],
      ["plain.jpg", "canvas", 2],
      ["turned.jpg", "pure", 0],
      ["turned.jpg", "canvas", 2],
      ["turned.webp", "canvas", 0],
      ["mirrored.webp", "canvas", 0],
      ["wide.jpg", "canvas", 3],
      ["still.gif", "canvas", 0]
    ]
    for (const [name, codec, furthest] of expected) {
      it.effect(`decodes ${name} by ${codec} within ${furthest} steps of sharp`, () =>
        Effect.gen(function* () {
          const { folder, page } = yield* Visited
          const found = yield* Effect.promise(() =>
            page.evaluate((asked) => window.segformer.pixels(asked), { codec, picture: `/made/${name}` })
          )
          const sharps = yield* Effect.gen(function* () {
            const image = yield* ImageSource.file(join(folder, name)).open()
            return (yield* (yield* ImageCodec).decode(image)).data
          }).pipe(Effect.provide([SharpCodec.layer, NodeFileSystem.layer]))
          if (typeof found === "string") return assert.fail(found)
          const pixels = Buffer.from(found.data, "base64")
          assert.strictEqual(pixels.length, sharps.length)
          const most = pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - sharps[i]!)), 0)
          assert.isAtMost(most, furthest)
        })
      )
    }

    it.effect("runs the model by WebAssembly where there is no WebGPU, and says why", () =>
      Effect.gen(function* () {
        const { page } = yield* Visited
        const asked = { codec: "pure", backend: "webgpu", picture: "/made/plain.png" } as const
        const [byGpu, byWasm, health] = yield* Effect.promise(() =>
          page.evaluate(async (asked) => {
            const { health, labels } = window.segformer
            return [
              await labels(asked),
              await labels({ ...asked, backend: "wasm" }),
              await health(asked)
            ] as const
          }, asked)
        )
        assert.deepStrictEqual(byGpu, byWasm)
        assert.match(health ?? "", /^1 of 1 sessions ready; WebAssembly and not WebGPU: /)
      })
    )

    it.effect(
      "runs with threads that it cannot have, and says what to give where its files are not found",
      () =>
        Effect.gen(function* () {
          const { page } = yield* Visited
          const asked = { codec: "pure", threads: 3, picture: "/made/plain.png" } as const
          const [shared, alone, lost] = yield* Effect.promise(() =>
            page.evaluate(async (asked) => {
              const { failure, labels } = window.segformer
              return [
                await labels(asked),
                await labels({ ...asked, threads: 1 }),
                await failure({ assets: "nowhere" })
              ] as const
            }, asked)
          )
          assert.deepStrictEqual(shared, alone)
          assert.match(
            lost,
            /the files of ONNX Runtime cannot be loaded .*http:.*\/nowhere\/ort-wasm.*Give `assets`/
          )
        })
    )

    it.effect("says what the browser does not decode", () =>
      Effect.gen(function* () {
        const { page } = yield* Visited
        const asked = { codec: "canvas", picture: "/made/heights.tif" } as const
        const found = yield* Effect.promise(() =>
          page.evaluate((asked) => window.segformer.pixels(asked), asked)
        )
        assert.match(String(found), /this browser does not decode TIFF/)
        // Which it decodes, in colours of its own.
        const cmyk = { codec: "canvas", picture: "/made/cmyk.jpg" } as const
        const inks = yield* Effect.promise(() =>
          page.evaluate((asked) => window.segformer.pixels(asked), cmyk)
        )
        assert.match(String(inks), /it is CMYK, which is not read here/)
      })
    )
  })
})
