/** Where to cut, and the pixels that come of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Crop } from "effect-segformer/companions"
import * as fc from "fast-check"
import * as Scale from "../../src/companions/images/Scale.ts"
import * as Resample from "../../src/image/Resample.ts"

const side = fc.integer({ min: 1, max: 400 })
const size = fc.record({ width: side, height: side })

/** An image, and boxes inside it. */
const scene = size.chain((image) =>
  fc.record({
    image: fc.constant(image),
    ratio: fc.record({ width: fc.integer({ min: 1, max: 20 }), height: fc.integer({ min: 1, max: 20 }) }),
    boxes: fc.array(
      fc
        .tuple(
          fc.integer({ min: 0, max: image.width - 1 }),
          fc.integer({ min: 0, max: image.height - 1 }),
          side,
          side
        )
        .map(([x, y, width, height]) => ({
          x,
          y,
          width: Math.min(width, image.width - x),
          height: Math.min(height, image.height - y)
        })),
      { maxLength: 6 }
    )
  })
)

type Scene = typeof scene extends fc.Arbitrary<infer A> ? A : never

/** A property of every scene. */
const holds = (name: string, check: (scene: Scene) => void) =>
  it(name, () => fc.assert(fc.property(scene, check), { numRuns: 300 }))

type Box = ReturnType<typeof Crop.place>
const inside = (box: Box, place: Box) =>
  box.x >= place.x &&
  box.y >= place.y &&
  box.x + box.width <= place.x + place.width &&
  box.y + box.height <= place.y + place.height
const weightIn = (boxes: ReadonlyArray<Box>, place: Box, axis: "x" | "y") =>
  boxes
    .filter((box) =>
      axis === "x"
        ? box.x >= place.x && box.x + box.width <= place.x + place.width
        : box.y >= place.y && box.y + box.height <= place.y + place.height
    )
    .reduce((sum, { height, width }) => sum + width * height, 0)

describe("Crop", () => {
  holds("a part has the wanted aspect ratio, is within the image, and no larger one would be", (s) => {
    const place = Crop.place(s.image, s.ratio, s.boxes)
    assert.isTrue(inside(place, { x: 0, y: 0, ...s.image }))
    assert.isTrue(place.width === s.image.width || place.height === s.image.height)
    const ratio = s.ratio.width / s.ratio.height
    const exact =
      place.height === s.image.height && place.width < s.image.width
        ? [place.width, Math.max(1, place.height * ratio)]
        : place.width === s.image.width && place.height < s.image.height
          ? [place.height, Math.max(1, place.width / ratio)]
          : [place.width, place.width]
    assert.isAtMost(Math.abs(exact[0]! - exact[1]!), 0.5 + 1e-9)
  })

  holds("objects that fit together are all inside", ({ boxes, image, ratio }) => {
    const left = Math.min(...boxes.map(({ x }) => x))
    const top = Math.min(...boxes.map(({ y }) => y))
    const right = Math.max(...boxes.map(({ width, x }) => x + width))
    const bottom = Math.max(...boxes.map(({ height, y }) => y + height))
    const place = Crop.place(image, ratio, boxes)
    if (right - left > place.width || bottom - top > place.height) return
    for (const box of boxes) assert.isTrue(inside(box, place))
  })

  holds("of objects that do not, no other place would keep more", ({ boxes, image, ratio }) => {
    const place = Crop.place(image, ratio, boxes)
    const axis = place.height === image.height ? "x" : "y"
    const last = axis === "x" ? image.width - place.width : image.height - place.height
    const kept = weightIn(boxes, place, axis)
    for (let at = 0; at <= last; at++) assert.isAtLeast(kept, weightIn(boxes, { ...place, [axis]: at }, axis))
  })

  it("without objects it is the middle", () => {
    assert.deepStrictEqual(Crop.place({ width: 400, height: 100 }, { width: 1, height: 1 }), {
      x: 150,
      y: 0,
      width: 100,
      height: 100
    })
  })

  it("many thousand objects are as well kept as a few", () => {
    const objects = Array.from({ length: 100_000 }, (_, i) => ({
      x: (i * 37) % 9000,
      y: 0,
      width: 9,
      height: 9
    }))
    // Objects that begin before each place: those between two places are inside what lies there.
    const before = new Uint32Array(10_001)
    for (const { x } of objects) before[x + 1]!++
    for (let at = 1; at < before.length; at++) before[at]! += before[at - 1]!
    const kept = (x: number) => before[x + 92]! - before[x]!
    const { x } = Crop.place({ width: 10_000, height: 100 }, { width: 1, height: 1 }, objects)
    assert.strictEqual(kept(x), Math.max(...Array.from({ length: 9901 }, (_, at) => kept(at))))
  })
})

const raster = size.map(({ height, width }) => ({
  width,
  height,
  channels: 3 as const,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 2654435761) >>> 24)
}))

describe("Scale", () => {
  it("slice by slice the result is that of the whole, to the bit", () =>
    fc.assert(
      fc.asyncProperty(raster, size, async (picture, target) => {
        const { data } = await Effect.runPromise(Scale.resize(picture, target.width, target.height))
        const { height, width } = picture
        assert.deepStrictEqual(
          data,
          Resample.resize(picture.data, width, height, target.width, target.height, "bilinear")
        )
      }),
      { numRuns: 30 }
    ))

  it.live("so it is where there are many slices", () =>
    Effect.gen(function* () {
      const [width, height] = [1500, 1000]
      const data = new Uint8Array(width * height * 3)
      for (let i = 0; i < data.length; i++) data[i] = (i * 2654435761) >>> 24
      const small = yield* Scale.resize({ width, height, channels: 3, data }, 350, 450)
      assert.isTrue(
        Buffer.from(small.data).equals(Resample.resize(data, width, height, 350, 450, "bilinear"))
      )
    })
  )

  it.effect("a large picture is worked on in slices", () =>
    Effect.gen(function* () {
      const picture = { width: 2000, height: 1500, channels: 3 as const, data: new Uint8Array(9_000_000) }
      let turns = 0
      const others = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.sync(() => turns++),
            Effect.yieldNow
          )
        )
      )
      const small = yield* Scale.resize(
        yield* Scale.crop(picture, { x: 250, y: 0, width: 1500, height: 1500 }),
        600,
        600
      )
      others.interruptUnsafe()
      assert.deepStrictEqual([small.width, small.data.length], [600, 600 * 600 * 3])
      // Of 200,000 pixels each: twelve to cut, and some to shrink.
      assert.isAtLeast(turns, 14)
    })
  )
})
