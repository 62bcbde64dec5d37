/** `segformer serve --protocol`: the command in a process of its own. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Dialects } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask, upload } from "../server/support.ts"
import { run, serving } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

describe("segformer serve --protocol", () => {
  it.live("serves the model in the box in each dialect named, and in no other", () =>
    Effect.gen(function* () {
      const { running, url } = yield* serving("--protocol", "huggingface, openinference", "--name", "acme/b0")
      assert.match(running.stderr(), /\(huggingface, openinference\)/)
      const masks = yield* ask(`${url}/models/acme/b0`, {
        method: "POST",
        body: Uint8Array.from(Fixtures.image)
      })
      assert.strictEqual(masks.status, 200)
      const found: ReadonlyArray<{ label: string; score: number }> = JSON.parse(masks.body.toString())
      assert.isTrue(found.every(({ label, score }) => label !== "" && score > 0 && score <= 1))
      const metadata = yield* ask(`${url}/v2/models/acme%2Fb0`)
      assert.strictEqual(metadata.json["name"], "acme/b0")
      assert.strictEqual((yield* ask(`${url}/health`)).body.toString(), "Ok")
      assert.strictEqual((yield* upload(url)).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("serves all of them at once", () =>
    Effect.gen(function* () {
      const { url } = yield* serving("--protocol", "all")
      assert.strictEqual((yield* upload(url)).status, 200)
      for (const path of ["/v2", "/v1/models/segformer", "/ping", "/readyz", "/readiness", "/", "/health"]) {
        assert.strictEqual((yield* ask(url + path)).status, 200, path)
      }
    }).pipe(Effect.scoped)
  )

  it.live("looks for pictures below the folder that it is given, and nowhere else", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "panel.png": Fixtures.image })
      const { url } = yield* serving("--protocol", "imageprocessing", "--pictures", path)
      const detect = (image: string) =>
        ask(`${url}/api/v1/detect`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ image_path: image, detection_types: ["pit"] })
        })
      assert.strictEqual((yield* detect("panel.png")).status, 200)
      assert.strictEqual((yield* detect("other.png")).status, 404)
      assert.strictEqual((yield* detect("../panel.png")).status, 403)
    }).pipe(Effect.scoped)
  )

  it.live("wants a folder of pictures that is there, and a protocol that has a use for it", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "panel.png": Fixtures.image })
      const wrong = (pictures: string, ...args: ReadonlyArray<string>) =>
        run(["serve", "--port", "0", "--pictures", pictures, ...args])
      const images = ["--protocol", "imageprocessing"]
      for (const [ended, reason] of [
        [yield* wrong(`${path}/none`, ...images), "there is no folder"],
        [yield* wrong(`${path}/panel.png`, ...images), "is no folder"],
        [yield* wrong(path), "add --protocol imageprocessing"]
      ] as const) {
        assert.strictEqual(ended.code, 2)
        assert.include(ended.stderr, reason)
      }
    }).pipe(Effect.scoped)
  )

  it.live("lists the names in its help, and where one is unknown", () =>
    Effect.gen(function* () {
      const help = yield* run(["serve", "--help"])
      const wrong = yield* run(["serve", "--protocol", "inspection,triton"])
      assert.notStrictEqual(wrong.code, 0)
      assert.match(wrong.stderr, /not "inspection,triton"/)
      for (const name of Dialects.names) {
        assert.include(help.stdout, name)
        assert.include(wrong.stderr, name)
      }
    })
  )
})
