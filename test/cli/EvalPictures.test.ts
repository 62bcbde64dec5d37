/** The pictures of a pair, beside its scores. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SharpCodec } from "effect-segformer/sharp"
import { decode } from "fast-png"
import * as EvalPictures from "../../src/cli/EvalPictures.ts"

describe("the pictures of a pair", () => {
  it.effect(
    "have the colours of all classes that are counted, whatever the ids are once they are reduced",
    () =>
      Effect.gen(function* () {
        const map = (...ids: ReadonlyArray<number>) => ({ width: 3, height: 1, data: Uint16Array.from(ids) })
        const palette = [
          { id: 0, name: "road", color: [10, 20, 30] },
          { id: 255, name: "sky", color: [40, 50, 60] }
        ] as const
        const pair = { prediction: map(255, 0, 0), truth: map(256, 1, 255) }
        const rules = { ignored: [255], reduceLabels: true, images: undefined, names: undefined }
        const key = { key: "a", prediction: { key: "a" } }
        const pictures = yield* EvalPictures.make(pair, key, palette, rules)
        const truth = pictures.find(({ title }) => title === "truth")
        const { channels, data } = decode(Buffer.from(truth!.url.replace(/^.*,/, ""), "base64"))
        const at = (x: number) => Array.from(data.subarray(x * channels, x * channels + 3))
        assert.deepStrictEqual(
          [at(0), at(1)],
          [
            [40, 50, 60],
            [10, 20, 30]
          ]
        )
        assert.notDeepEqual(at(2), [40, 50, 60])
      }).pipe(Effect.provide(Layer.merge(NodeFileSystem.layer, SharpCodec.layer)))
  )
})
