/** The images that every peer is asked for, and the label maps that the model in this process makes of them. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { LabelMap } from "effect-segformer/mask"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"

export interface Picture {
  readonly name: string
  readonly bytes: Uint8Array
}

const heldOut = (name: string): Picture => ({
  name,
  bytes: readFileSync(fileURLToPath(new URL(`../fixtures/heldout/${name}`, import.meta.url)))
})

/** A PNG of 48 x 32 pixels, and JPEGs that are wide, high and larger than the others. */
export const pictures: ReadonlyArray<Picture> = [
  { name: "panel.png", bytes: Fixtures.image },
  heldOut("000.jpg"),
  heldOut("002.jpg"),
  heldOut("001.jpg")
]

/** The classes of the model, as `config.json` names them. */
export const classes = ["background", "particle", "scratch", "stain", "fiber", "pit"].map((name, id) => ({
  id,
  name
}))

/** In process, once for all. */
export const known: Effect.Effect<ReadonlyMap<string, LabelMap.LabelMap>, unknown> = Effect.runSync(
  Effect.cached(
    Effect.forEach(pictures, ({ bytes, name }) =>
      Effect.map(
        Effect.flatMap(segment(ImageSource.bytes(bytes, { name })), (found) => found.labelMap),
        (map) => [name, map] as const
      )
    ).pipe(
      Effect.map((all) => new Map(all)),
      Effect.provide(SegFormerOnnx.layer().pipe(Layer.provide(SharpCodec.layer)))
    )
  )
)

/** Fails unless two label maps are the same, id by id. */
export const same = (name: string, found: LabelMap.LabelMap, expected: LabelMap.LabelMap): void => {
  assert.deepEqual([found.width, found.height], [expected.width, expected.height], name)
  let others = 0
  for (const [at, id] of expected.data.entries()) if (found.data[at] !== id) others++
  assert.equal(others, 0, `${name}: pixels that have another id`)
}
