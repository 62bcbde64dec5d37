/** Models whose answers are known, in Node and in browsers. */
import { Effect } from "effect"
import { Transport } from "effect-segformer"

const classes = [
  { id: 0, name: "background" },
  { id: 1, name: "sky", color: [255, 0, 0] },
  { id: 2, name: "road", color: [0, 0, 255] }
] as const

/** A model whose answer is known: sky where a rule says so, of confidence 0.9, and road elsewhere, of 0.5. */
const drawn = (name: string, isSky: (x: number, y: number) => boolean) =>
  Transport.layer({
    name,
    describe: Effect.succeed({ name, classes }),
    predict: ({ image: { height, width } }) =>
      Effect.sync(() => {
        const sky = Uint8Array.from({ length: width * height }, (_, at) =>
          isSky((at % width) / width, Math.floor(at / width) / height) ? 1 : 0
        )
        return {
          _tag: "Labels",
          classes,
          labelMap: { width, height, data: sky.map((one) => 2 - one) },
          confidence: { width, height, data: Float32Array.from(sky, (one) => (one === 1 ? 0.9 : 0.5)) }
        }
      })
  })

/** As the Hugging Face Hub has them. */
export const longName = "somebody/segformer-b5-finetuned-cityscapes-1024-1024"

/** By name. */
export const models = {
  halves: drawn("halves", (x) => x < 0.5),
  layers: drawn("layers", (_, y) => y < 0.5),
  [longName]: drawn(longName, () => true)
}

/** A class's. */
export const long =
  "a class of a name that goes on and on, as those of product catalogues do, with 2 numbers: 31-B"
const ringed = [
  { id: 0, name: "background" },
  { id: 1, name: long, color: [255, 0, 0] }
] as const

/** Two specks, and a ring around a spot, on 1,200 by 900 pixels; elsewhere the left half. */
export const specks = Transport.layer({
  name: "specks",
  describe: Effect.succeed({ name: "specks", classes: ringed }),
  predict: ({ image: { height, width } }) =>
    Effect.sync(() => {
      const data = new Uint8Array(width * height)
      const fill = (x: number, y: number, w: number, h: number, value: number) => {
        for (let row = y; row < y + h; row++) data.fill(value, row * width + x, row * width + x + w)
      }
      if (width === 1200) {
        fill(300, 150, 3, 3, 1)
        fill(900, 800, 3, 3, 1)
        fill(500, 350, 200, 200, 1)
        fill(530, 380, 140, 140, 0)
        fill(580, 430, 40, 40, 1)
      } else fill(0, 0, Math.ceil(width / 2), height, 1)
      return {
        _tag: "Labels",
        classes: ringed,
        labelMap: { width, height, data },
        confidence: { width, height, data: new Float32Array(width * height).fill(0.75) }
      }
    })
})
