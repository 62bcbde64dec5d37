/** Image processing as `segformer serve` offers it: without a and under load. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { ImageProcessing, ImageProcessingClient } from "effect-segformer/companions"
import { ImageCodec, ImageSource } from "effect-segformer/image"
import { ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { client, served, quiet, square } from "./images.ts"

describe("as segformer serve offers it, without a folder", () => {
  it.live("pictures come and go as data URLs, and no path reaches a file", () =>
    quiet(
      Effect.gen(function* () {
        const codec = yield* ImageCodec
        const images = yield* ImageProcessing
        // Large enough to be taken out of the request before it is parsed.
        const noise = Uint8Array.from({ length: 300 * 200 * 3 }, (_, i) => (i * 2654435761) >>> 24)
        const file = yield* codec.encode({ width: 300, height: 200, channels: 3, data: noise }, "png")
        const image_path = `data:image/png;base64,${Buffer.from(file).toString("base64")}`
        const { processed_path } = yield* images.crop({ image_path, target_aspect_ratio: square })
        const cropped = yield* ImageSource.bytes(Buffer.from(processed_path.split(",")[1]!, "base64")).open()
        assert.deepStrictEqual([cropped.format, cropped.width, cropped.height], ["png", 200, 200])
        const sheet = yield* images.sheet({
          processed_images: [image_path, processed_path],
          grid_layout: { rows: 1, columns: 2 },
          sheet_orientation: "portrait"
        })
        assert.isTrue(sheet.output_path.startsWith("data:image/png;base64,iVBOR"))
        for (const path of ["panel.png", "/etc/passwd", "../secret.png", "https://example.org/a.png"]) {
          const error = yield* Effect.flip(images.crop({ image_path: path, target_aspect_ratio: square }))
          assert.strictEqual(error._tag, "InputInvalid")
        }
      }).pipe(
        Effect.provide(Layer.unwrap(Effect.map(served(undefined), client))),
        Effect.provide(SharpCodec.layer)
      )
    )
  )

  it.live("a request that is no request of the contract is 422, and says where", () =>
    quiet(
      Effect.gen(function* () {
        const url = yield* served(undefined)
        const post = (body: string) =>
          Effect.promise(async () => {
            const response = await fetch(`${url}/api/v1/crop`, {
              method: "POST",
              headers: { "content-type": "application/json" },
              body
            })
            return [response.status, await response.text()] as const
          })
        const [status, text] = yield* post(
          '{"image_path": "a.png", "target_aspect_ratio": {"width": -1, "height": 1}}'
        )
        assert.strictEqual(status, 422)
        assert.include(text, "target_aspect_ratio")
        assert.strictEqual((yield* post("{"))[0], 400)
      })
    )
  )
})

describe("as segformer serve offers it, under load", () => {
  it.live("a request that is too large or one too many is refused, and says so", () =>
    quiet(
      Effect.gen(function* () {
        let open = () => {}
        const opened = new Promise<void>((resolve) => (open = resolve))
        let entered = 0
        const slow = SegFormerTest.layer(() =>
          Effect.andThen(
            Effect.sync(() => entered++),
            Effect.as(
              Effect.promise(() => opened),
              Fixtures.prediction
            )
          )
        )
        const url = yield* served(undefined, slow, { maxRequestBytes: 100_000, concurrency: 1, queue: 0 })
        const ask = (image: Uint8Array) =>
          Effect.flatMap(ImageProcessing, (images) =>
            images.detect({
              image_path: `data:image/png;base64,${Buffer.from(image).toString("base64")}`,
              detection_types: []
            })
          ).pipe(Effect.provide(client(url)))
        const large = yield* Effect.flip(ask(new Uint8Array(300_000)))
        assert.deepInclude(large, { _tag: "RequestRejected", status: 413 })
        const first = yield* Effect.forkChild(ask(Fixtures.image))
        yield* eventually(() => entered === 1)
        const busy = yield* Effect.flip(
          Effect.flatMap(ImageProcessingClient, (client) =>
            client.detect({ payload: { image_path: "a.png", detection_types: [] } })
          ).pipe(
            Effect.provide(
              ImageProcessingClient.layer.pipe(
                Layer.provide([
                  ServiceRegistry.layerOf({ imageProcessing: { baseUrl: url, policy: { retry: false } } }),
                  NodeHttp.layer()
                ])
              )
            )
          )
        )
        assert.strictEqual(busy._tag, "CompanionUnavailable")
        assert.match(busy.message, /queue is full.*It asks to wait/)
        open()
        assert.deepStrictEqual(yield* Fiber.join(first), [])
      })
    )
  )
})
