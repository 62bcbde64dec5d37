/** Of a file with several pages the first is taken, and whoever sent it is told, in every protocol. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Dialects } from "effect-segformer/server"
import * as ImageWarnings from "../../src/companions/ImageWarnings.ts"
import * as files from "../image/files.ts"
import * as samples from "../image/samples.ts"
import { ask, form, jsonBody, serve } from "./support.ts"

const one = files.page(8, 6, 8, new Uint8Array(48).fill(9))
const single = files.tiff(one)
const several = files.tiff(one, files.page(2, 1, 8, Uint8Array.of(1, 2)))
const moving = await samples.gifOf(2)
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")

/** A request with an image, in each protocol that takes files. */
const requests: Readonly<Record<string, (bytes: Uint8Array) => readonly [path: string, init: RequestInit]>> =
  {
    "/v1": (bytes) => ["/v1/segment", { method: "POST", body: Uint8Array.from(bytes) }],
    "/v1 as PNG": (bytes) => [
      "/v1/segment",
      { method: "POST", body: Uint8Array.from(bytes), headers: { accept: "image/png" } }
    ],
    "/v1 in frames": (bytes) => [
      "/v1/segment",
      {
        ...form("image", ["a.tif", bytes], ["b.tif", bytes]),
        headers: { accept: "application/vnd.segformer" }
      }
    ],
    inspection: (bytes) => ["/upload", form("image", ["scan.tif", bytes])],
    huggingface: (bytes) => ["/models/test", { method: "POST", body: Uint8Array.from(bytes) }],
    torchserve: (bytes) => ["/predictions/test", { method: "POST", body: Uint8Array.from(bytes) }],
    cog: (bytes) => [
      "/predictions",
      jsonBody({ input: { image: `data:image/tiff;base64,${base64(bytes)}` } })
    ]
  }

describe("a file with several pages", () => {
  it.live("is answered with a warning, and a file of one page without", () =>
    Effect.gen(function* () {
      const dialects = yield* Dialects.load(["inspection", "huggingface", "torchserve", "cog"])
      const { url } = yield* serve(undefined, { dialects })
      for (const [name, request] of Object.entries(requests)) {
        for (const bytes of name === "/v1" ? [several, moving, single] : [several, single]) {
          const [path, init] = request(bytes)
          const answer = yield* ask(`${url}${path}`, init)
          assert.strictEqual(answer.status, 200, `${name}: ${answer.body.toString().slice(0, 300)}`)
          const warnings = ImageWarnings.fromHeader(answer.headers.get("warning") ?? undefined)
          if (bytes === single) assert.deepStrictEqual(warnings, [], name)
          else {
            assert.isAbove(warnings.length, 0, name)
            for (const warning of warnings)
              assert.match(
                warning,
                /has more pages.*: the first one is taken. Send another as a file of its own$/,
                name
              )
          }
          if (name === "/v1")
            assert.strictEqual(answer.json["morePages"], bytes === single ? undefined : true)
        }
      }
    })
  )
})
