import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ImageSource, NotAnImage, segment } from "effect-segformer"
import { BentoML, Inspection, SegFormerHttp, TorchServe } from "effect-segformer/http"
import { Dialects } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { serve } from "./support.ts"

describe("an image that a server cannot read", () => {
  it.live(
    "is the image's fault to a client, in protocols that answer by a status, and not the service's",
    () =>
      Effect.gen(function* () {
        const dialects = yield* Dialects.load(["inspection", "torchserve", "bentoml"])
        const broken = () => Effect.fail(new NotAnImage({ source: "a.jpg", detail: "it is cut off" }))
        const { url } = yield* serve(broken, { dialects })
        const protocols = {
          inspection: Inspection.make(),
          torchserve: TorchServe.make({ model: "segformer" }),
          bentoml: BentoML.protocol
        }
        for (const [name, protocol] of Object.entries(protocols)) {
          const client = SegFormerHttp.layer({
            baseUrl: url,
            protocol,
            policy: { retry: false, breaker: false }
          })
          const error = yield* Effect.flip(segment(ImageSource.bytes(Fixtures.image))).pipe(
            Effect.provide(Layer.provide(client, NodeHttpClient.layerUndici))
          )
          assert.strictEqual(error.concerns, "image", `${name}: ${error.message}`)
        }
      }).pipe(Effect.scoped)
  )
})
