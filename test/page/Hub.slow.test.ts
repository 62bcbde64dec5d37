/** `segformer page --model` with a model of the Hub, whose weights lie beside it: the command writes it, a browser runs it. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { StaticPage } from "effect-segformer/server"
import sharp from "sharp"
import * as HubServer from "../onnx/HubServer.ts"
import { config, fixture, preprocessor } from "../onnx/support.ts"
import * as Command from "../support/Command.ts"
import { hangs } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import * as Needs from "../support/Needs.ts"
import * as Sites from "./site.ts"
import { desktop, sees } from "./support.ts"

const token = "hf_example_token_of_nobody"

const files = {
  "config.json": Buffer.from(JSON.stringify(config)),
  "preprocessor_config.json": Buffer.from(JSON.stringify(preprocessor)),
  "onnx/model.onnx": readFileSync(fixture("form_outside.onnx")),
  "onnx/form_outside.onnx_data": readFileSync(fixture("form_outside.onnx_data"))
}

/** Paths and bytes of all files below a folder. */
const filesOf = (place: string): ReadonlyArray<StaticPage.SiteFile> =>
  readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => join(parentPath, name))
    .map((path) => ({ path, bytes: readFileSync(path) }))

describe.skipIf(Needs.chromium === undefined)("the page with a model of the Hub", () => {
  it.live(
    "is written by its address, without the token that opened it, and runs without a network",
    () =>
      Effect.gen(function* () {
        const server = yield* HubServer.make(files)
        server.faults.token = token
        const place = yield* folder()
        const cache = yield* folder()
        const out = join(place, "site")
        const args = ["page", "--out", out, "--model", "owner/model"]
        const env = { HF_ENDPOINT: server.hub.url, SEGFORMER_CACHE: cache }
        const refused = yield* Command.run(args, { env })
        assert.notStrictEqual(refused.code, 0)
        assert.include(refused.stderr, "HF_TOKEN")
        assert.deepStrictEqual(readdirSync(place), [])

        const { code, stderr, stdout } = yield* Command.run(args, { env: { ...env, HF_TOKEN: token } })
        assert.strictEqual(code, 0, stderr)
        assert.match(stdout + stderr, /\d+\.\d kB {2}as a first visit loads it/)
        const written = filesOf(out)
        for (const { bytes, path } of written) assert.isFalse(Buffer.from(bytes).includes(token), path)
        for (const name of ["model.onnx.zst", "weights-0"])
          assert.isTrue(
            written.some(({ path }) => path.includes(name)),
            `${name} among ${written.map(({ path }) => path.slice(out.length))}`
          )

        const green = yield* Effect.promise(() =>
          sharp({ create: { width: 40, height: 30, channels: 3, background: "#00ff00" } })
            .png()
            .toBuffer()
        )
        const site = yield* Sites.host(out)
        yield* Sites.visitCut(
          site,
          async (page) => {
            await sees(async () =>
              assert.strictEqual(await page.locator("#model").inputValue(), "owner/model")
            )
            await page.setInputFiles("#file", { name: "green.png", mimeType: "image/png", buffer: green })
            await page.locator("#details").waitFor()
            await sees(async () =>
              assert.match((await page.locator("#details").textContent()) ?? "", /green/)
            )
          },
          desktop
        )
      }).pipe(Effect.scoped),
    5 * hangs
  )
})
