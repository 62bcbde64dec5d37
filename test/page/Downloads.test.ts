/** What the page gives away: files of each kind that a label map is exported in, and code that does the same. */
import { execFile } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import { GeoJson, LabelPng } from "effect-segformer/mask"
import type { Download, Page } from "playwright-core"
import sharp from "sharp"
import * as Needs from "../support/Needs.ts"
import { desktop, grey, PageServer, sees, segment, visit } from "./support.ts"

const run = promisify(execFile)

const statusOf = (page: Page) => page.locator("#status").textContent()

const bytesOf = async (download: Download): Promise<Buffer> => readFileSync(await download.path())

const save = async (page: Page, name: string): Promise<{ readonly name: string; readonly bytes: Buffer }> => {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.locator("#downloads").getByRole("button", { name, exact: true }).click()
  ])
  return { name: download.suggestedFilename(), bytes: await bytesOf(download) }
}

describe.skipIf(Needs.chromium === undefined)("the page gives away", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    const onPage = (name: string, use: Parameters<typeof visit>[1], options?: Parameters<typeof visit>[2]) =>
      it.effect(name, () => Effect.flatMap(PageServer, ({ url }) => visit(url, use, options)))

    onPage("every kind of file, under the image's name", async (page) => {
      await segment(page, "halves", "board.png")
      const labels = await save(page, "PNG")
      assert.strictEqual(labels.name, "board.labels.png")
      const labelMap = await Effect.runPromise(Effect.fromResult(LabelPng.decode(labels.bytes)))
      assert.deepStrictEqual(
        [labelMap.width, labelMap.height, labelMap.data[0], labelMap.data[199]],
        [200, 100, 1, 2]
      )

      const picture = await save(page, "Picture")
      assert.strictEqual(picture.name, "board.overlay.png")
      const { data, info } = await sharp(picture.bytes)
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true })
      assert.deepStrictEqual([info.width, info.height], [200, 100])
      assert.closeTo(data[0]!, 128 + 0.6 * 127, 2)

      const json = await save(page, "JSON")
      assert.strictEqual(json.name, "board.json")
      const Told = Schema.Struct({
        model: Schema.String,
        classes: Schema.Array(Schema.Struct({ name: Schema.String }))
      })
      const told: unknown = JSON.parse(json.bytes.toString())
      assert.deepStrictEqual(
        Schema.decodeUnknownSync(Told)(told)
          .classes.map(({ name }) => name)
          .sort(),
        ["road", "sky"]
      )
      assert.notProperty(told, "labels")

      const coco = await save(page, "COCO")
      assert.strictEqual(coco.name, "board.coco.json")
      const Dataset = Schema.Struct({
        annotations: Schema.Array(Schema.Struct({ area: Schema.Finite })),
        images: Schema.Array(Schema.Struct({ file_name: Schema.String }))
      })
      const dataset = Schema.decodeUnknownSync(Dataset)(JSON.parse(coco.bytes.toString()))
      assert.deepStrictEqual(
        dataset.annotations.map(({ area }) => area),
        [10_000, 10_000]
      )

      const geo = await save(page, "GeoJSON")
      assert.strictEqual(geo.name, "board.geojson")
      const { features } = Schema.decodeUnknownSync(GeoJson.FeatureCollection)(
        JSON.parse(geo.bytes.toString())
      )
      assert.deepStrictEqual(features.map(({ properties }) => properties.className).sort(), ["road", "sky"])

      const csv = await save(page, "CSV")
      assert.strictEqual(csv.bytes.toString().trim().split("\n").length, 3)
      assert.strictEqual(await statusOf(page), "The CSV file is downloaded")

      const yolo = await save(page, "YOLO")
      // Of one image alone: ids are the model's.
      assert.deepStrictEqual(yolo.bytes.toString().match(/^\d+/gm), ["1", "2"])
      const numpy = await save(page, "NumPy")
      assert.include(numpy.bytes.subarray(0, 128).toString("latin1"), "'shape': (100, 200)")
      const rle = await save(page, "RLE")
      assert.include(rle.bytes.toString(), '"width":200,"height":100')
      assert.deepStrictEqual(
        [yolo.name, numpy.name, rle.name].map((name) => name.split(".")[0]),
        ["board", "board", "board"]
      )
    })

    it.effect("code that does the same: an Effect, by fetch and by curl", () =>
      Effect.gen(function* () {
        const { url } = yield* PageServer
        // Inside the package, so that its own name resolves.
        const fs = yield* FileSystem.FileSystem
        const folder = yield* fs.makeTempDirectoryScoped({
          directory: fileURLToPath(new URL(".", import.meta.url)),
          prefix: ".copied-"
        })
        writeFileSync(join(folder, "it's.png"), grey)
        const shares = async (code: string) => {
          writeFileSync(join(folder, "copied.ts"), code)
          const { stdout } = await run(process.execPath, ["-C", "effect-segformer-source", "copied.ts"], {
            cwd: folder
          })
          return stdout.trim().split("\n").sort()
        }
        const copies = async (page: Page) => {
          await segment(page, "halves", "it's.png")
          const copied = async (language: string) => {
            const choice = page.getByRole("button", { name: language, exact: true })
            await choice.click()
            await sees(async () => assert.strictEqual(await choice.getAttribute("aria-pressed"), "true"))
            await page.locator("#copy").click()
            await page.getByRole("button", { name: "Copied" }).waitFor()
            return page.evaluate(() => navigator.clipboard.readText())
          }
          assert.deepStrictEqual(await shares(await copied("Effect")), ["road 0.5", "sky 0.5"])
          assert.deepStrictEqual(await shares(await copied("fetch")), ["road 0.5", "sky 0.5"])
          const answer = await run("sh", ["-c", await copied("curl")], { cwd: folder })
          assert.match(answer.stdout, /"model":"halves"/)
        }
        yield* visit(url, copies, { ...desktop, permissions: ["clipboard-read", "clipboard-write"] })
      }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
    )
  })
})
