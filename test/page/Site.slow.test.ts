/** The page without a server: it is the page of a server, with equal results, in few bytes and without a network. */
import { readFileSync } from "node:fs"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { LabelPng } from "effect-segformer/mask"
import { ModelSource } from "effect-segformer/onnx"
import { StaticPage } from "effect-segformer/server"
import type { Page } from "playwright-core"
import sharp from "sharp"
import * as support from "../onnx/support.ts"
import { hangs } from "../support/Eventually.ts"
import * as Needs from "../support/Needs.ts"
import { comparing } from "./comparing.ts"
import { looking } from "./looking.ts"
import { goThrough, schemes, type Way } from "./rows.ts"
import * as Sites from "./site.ts"
import { desktop, kept, type OnPage, PageServer, sees, visit } from "./support.ts"
import { using } from "./using.ts"

const ways: ReadonlyArray<Way & { readonly height: number }> = [
  { width: 1280, height: 800, ratio: 1, scheme: "light", isTouch: false, isServed: false },
  { width: 390, height: 844, ratio: 3, scheme: "forced colours", isTouch: true, isServed: false },
  { width: 320, height: 568, ratio: 3, scheme: "dark", isTouch: true, isServed: false }
]

/** Chromium takes ten from one page before it asks the person whether there may be more. */
const perPage = 8

/** What the page saves of its sample, by format: those from the first of these on, as many as one page may. */
const savedOfSample = async (page: Page, first: number): Promise<ReadonlyMap<string, Buffer>> => {
  await page.getByRole("button", { name: "Try the sample" }).click()
  await page.locator("#details").waitFor()
  const saved = new Map<string, Buffer>()
  const buttons = await page.locator("#downloads").getByRole("button").all()
  for (const button of buttons.slice(first, first + perPage)) {
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      // One at a time, as a person does it.
      page
        .locator("#downloads button:disabled")
        .waitFor({ state: "detached" })
        .then(() => button.click())
    ])
    saved.set(download.suggestedFilename(), readFileSync(await download.path()))
  }
  return saved
}

/** What is said of one request alone is left out; how sure the model is, is taken out: its last digit is the machine's. */
const taken = (
  json: Buffer | undefined
): { readonly rest: unknown; readonly sure: ReadonlyArray<number> } => {
  const sure: Array<number> = []
  const rest: unknown = JSON.parse(String(json), (key, value: unknown) => {
    if (key === "confidence" && typeof value === "number") sure.push(value)
    return ["confidence", "requestId", "seconds"].includes(key) ? undefined : value
  })
  return { rest, sure }
}

/** The same of a table, whose last column it is; of other numbers the last digits are the machine's. */
const takenOfTable = (csv: Buffer | undefined): ReturnType<typeof taken> => {
  const rows = String(csv)
    .trim()
    .split("\r\n")
    .map((line) => line.split(","))
  const rounded = (field: string) => (/^-?[\d.]+$/.test(field) ? Number(field).toFixed(9) : field)
  return {
    rest: rows.map((row) => row.slice(0, -1).map(rounded)),
    sure: rows.slice(1).map((row) => Number(row.at(-1)))
  }
}

/** Ids of a PNG, which others pack otherwise. */
const idsOf = (png: Buffer | undefined): ReturnType<typeof taken> => ({
  rest: Result.getOrThrow(LabelPng.decode(png ?? Buffer.alloc(0))).data,
  sure: []
})

const readers: Readonly<Record<string, typeof taken>> = {
  "sample.labels.png": idsOf,
  "sample.json": taken,
  "sample.csv": takenOfTable
}

describe.skipIf(Needs.chromium === undefined)("the page without a server", () => {
  layer(
    Layer.mergeAll(Sites.Site.layer, Sites.DrawnSite.layer, PageServer.layer).pipe(
      Layer.provideMerge(Sites.Files.layer)
    ),
    // Packing takes ten seconds of a core, and as long as it takes where there are others.
    { excludeTestServices: true, timeout: 5 * hangs }
  )((it) => {
    it.effect("weighs at most 6 MB over the wire, and is loaded once", () =>
      Effect.gen(function* () {
        const files = yield* Sites.Files
        const total = files.reduce((sum, file) => sum + StaticPage.wireBytes(file), 0)
        assert.isAtMost(total, 6_000_000)
        const site = yield* Sites.Site
        yield* visit(
          site.url,
          async () => {
            const sizes = new Map(files.map((file) => [`/${file.path}`, StaticPage.wireBytes(file)]))
            const loaded = site.asked.map((path) => sizes.get(path === "/" ? "/index.html" : path) ?? 0)
            assert.isAtMost(
              loaded.reduce((sum, size) => sum + size, 0),
              6_000_000
            )
            assert.lengthOf(
              site.asked.filter((path) => path.endsWith(".zst")),
              2
            )
          },
          { ...desktop, baseURL: site.url, serviceWorkers: "allow" }
        )
      })
    )

    it.effect("gives the results of a server for the sample, in every format, without a network", () =>
      Effect.gen(function* () {
        const site = yield* Sites.Site
        const server = yield* PageServer
        const served = new Map<string, Buffer>()
        const local = new Map<string, Buffer>()
        for (const first of [0, perPage]) {
          const into = (found: Map<string, Buffer>) => async (page: Page) => {
            for (const [name, bytes] of await savedOfSample(page, first)) found.set(name, bytes)
          }
          yield* visit(server.url, into(served))
          yield* Sites.visitCut(site, into(local), desktop)
        }
        assert.deepStrictEqual([...served.keys()], [...local.keys()])
        assert.include([...served.keys()], "sample.npy")
        assert.include([...served.keys()], "sample.samples.json")
        for (const [name, bytes] of served) {
          const read = readers[name]
          if (read === undefined) {
            assert.isTrue(bytes.equals(local.get(name)!), name)
            continue
          }
          const [there, here] = [read(bytes), read(local.get(name))]
          assert.deepStrictEqual(here.rest, there.rest, name)
          assert.strictEqual(here.sure.length, there.sure.length)
          for (const [at, value] of there.sure.entries()) assert.closeTo(here.sure[at]!, value, 0.002, name)
        }
      })
    )

    it.effect("has the weights of a model that lie beside it", () =>
      Effect.gen(function* () {
        const folder = yield* support.modelFolder(
          { "model.onnx": "form_outside.onnx", "form_outside.onnx_data": "form_outside.onnx_data" },
          { preprocessor: { ...support.preprocessor, size: { width: 64, height: 32 } } }
        )
        const files = yield* StaticPage.files({ model: ModelSource.folder(folder) })
        const site = yield* Sites.hosted(files)
        const left = {
          input: { create: { width: 32, height: 32, channels: 3, background: "#f00" } },
          left: 0,
          top: 0
        } as const
        const picture = yield* Effect.promise(() =>
          sharp({ create: { width: 64, height: 32, channels: 3, background: "#00f" } })
            .composite([left])
            .png()
            .toBuffer()
        )
        yield* Sites.visitCut(
          site,
          async (page) => {
            await page.setInputFiles("#file", { name: "a.png", mimeType: "image/png", buffer: picture })
            await page.locator("#details").waitFor()
            const [download] = await Promise.all([
              page.waitForEvent("download"),
              page.locator("#downloads").getByRole("button", { name: "PNG", exact: true }).click()
            ])
            const { data } = Result.getOrThrow(LabelPng.decode(readFileSync(await download.path())))
            assert.deepStrictEqual([data[0], data[31], data[32], data[63]], [1, 1, 3, 3])
          },
          desktop
        )
      }).pipe(Effect.scoped)
    )

    it.effect("opens without a network, and after it was left in the middle", () =>
      Effect.flatMap(Sites.Site, (site) =>
        Sites.visitCut(
          site,
          async (page) => {
            await page.getByRole("button", { name: "Try the sample" }).click()
            await page.locator("#details").waitFor()
            await kept(page)
            await page.reload()
            await page.locator("#model option[value=bundled]").waitFor({ state: "attached" })
            await page.locator("#details").waitFor()
            await sees(async () =>
              assert.include(await page.locator("#code").textContent(), "SegFormerOnnx.layer()")
            )
            await sees(async () =>
              assert.strictEqual(await page.getByRole("link", { name: "API" }).count(), 0)
            )
          },
          desktop
        )
      )
    )

    for (const way of ways) {
      const { height, isTouch, ratio, scheme, width } = way
      it.effect(`every row at ${width} pixels, ratio ${ratio}, ${scheme}`, () =>
        Effect.flatMap(Sites.DrawnSite, (site) =>
          Sites.visitCut(
            site,
            async (page) => {
              await page.emulateMedia(schemes[scheme])
              await goThrough(page, way)
            },
            {
              viewport: { width, height },
              deviceScaleFactor: ratio,
              isMobile: isTouch,
              hasTouch: isTouch
            }
          )
        )
      )
    }

    const onPage: OnPage = (name, use, options = desktop) =>
      it.effect(name, () => Effect.flatMap(Sites.DrawnSite, (site) => Sites.visitCut(site, use, options)))
    using(onPage)
    looking(onPage)
    comparing(onPage)
  })
})
