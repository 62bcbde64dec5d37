/** The images that every peer is asked for, and the label maps that the model in this process makes of them. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import sharp from "sharp"
import { Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import type { LabelMap } from "effect-segformer/mask"
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

/** Where nothing is resized, so that a class map of the model's size is one of the image's. */
export const square: ReadonlyArray<Picture> = [
  {
    name: "square.png",
    bytes: await sharp(heldOut("003.jpg").bytes).resize(512, 512, { fit: "fill" }).png().toBuffer()
  }
]

/** A PNG from its beginning to its end, and nothing in between that is one. */
export const broken: Picture = {
  name: "broken.png",
  bytes: Fixtures.image.map((byte, at) => (at > 60 && at < Fixtures.image.length - 20 ? 0 : byte))
}

/** A PNG of two megabytes and little in it. */
export const heavy: Picture = {
  name: "heavy.png",
  bytes: await sharp(heldOut("001.jpg").bytes).resize(900, 900).png({ compressionLevel: 0 }).toBuffer()
}

/** The classes of the model, as `config.json` names them. */
export const classes = ["background", "particle", "scratch", "stain", "fiber", "pit"].map((name, id) => ({
  id,
  name
}))

/** In process, once for all, by the names of the pictures. */
export const known: Effect.Effect<ReadonlyMap<string, LabelMap.LabelMap>, unknown> = Effect.runSync(
  Effect.cached(
    Effect.forEach([...pictures, ...square], ({ bytes, name }) =>
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

/** Fails unless two label maps are the same, id by id, but for so many pixels. */
export const same = (
  name: string,
  found: LabelMap.LabelMap,
  expected: LabelMap.LabelMap,
  mayDiffer = 0
): void => {
  assert.deepEqual([found.width, found.height], [expected.width, expected.height], name)
  let others = 0
  for (const [at, id] of expected.data.entries()) if (found.data[at] !== id) others++
  assert.ok(others <= mayDiffer, `${name}: ${others} pixels have another id`)
}
