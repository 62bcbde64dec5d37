/**
 * Against a real service: `SEGFORMER_INTEGRATION_URL=http://host:8080 npm test`. Without it, or where it cannot be
 * reached, there is nothing to test.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Config, Effect, Layer, Logger, Option } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import { InspectionService, SegFormerHttp } from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"

const platform = Layer.merge(NodeHttpClient.layerUndici, Logger.layer([]))

/** The address of a service that answers, or why there is none. */
const found = await Effect.gen(function* () {
  const url = Option.getOrUndefined(yield* Effect.option(Config.NonEmptyString("SEGFORMER_INTEGRATION_URL")))
  if (url === undefined) return { skip: "SEGFORMER_INTEGRATION_URL is not set" }
  const transport = yield* SegFormerHttp.make({ baseUrl: url, policy: { retry: false } })
  return yield* Effect.match(transport.health, {
    onSuccess: () => ({ url }),
    onFailure: (error) => ({ skip: `SEGFORMER_INTEGRATION_URL: ${error.message}` })
  })
}).pipe(
  Effect.catchTag("InvalidUrl", (error) =>
    Effect.succeed({ skip: `SEGFORMER_INTEGRATION_URL: ${error.message}` })
  ),
  Effect.scoped,
  Effect.provide(platform),
  Effect.runPromise
)

const baseUrl = "url" in found ? found.url : ""
const why = "skip" in found ? `skipped: ${found.skip}` : baseUrl

describe.skipIf("skip" in found)(`a real service (${why})`, () => {
  const source = ImageSource.bytes(Fixtures.image, { name: "fixture.png" })

  it.live("says whether it is healthy", () =>
    Effect.gen(function* () {
      const { health } = yield* Transport
      assert.isNotEmpty((yield* health).detail)
    }).pipe(Effect.provide(SegFormerHttp.layer({ baseUrl })), Effect.provide(platform))
  )

  it.live("segments an image", () =>
    Effect.gen(function* () {
      const segmentation = yield* segment(source)
      assert.isAbove(segmentation.width, 0)
      assert.isArray(yield* segmentation.regions)
    }).pipe(Effect.provide(SegFormerHttp.layer({ baseUrl })), Effect.provide(platform))
  )

  it.live("segments a batch", () =>
    Effect.gen(function* () {
      const service = yield* InspectionService.make({ baseUrl })
      const batch = yield* service.uploadBatch([source, source])
      assert.strictEqual(batch.items.length, 2)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

if ("skip" in found) {
  it(why, (context) => context.skip(why))
}
