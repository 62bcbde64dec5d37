/** Large requests and answers leave the event loop to others while they are read and written. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Stream } from "effect"
import { ImageSource } from "effect-segformer/image"
import type { LabelMap } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import * as Steps from "../../src/mask/Steps.ts"
import { fromPrediction } from "../../src/Segmentation.ts"
import * as Answer from "../../src/server/v1/Answer.ts"
import * as ClassScores from "../../src/server/ClassScores.ts"
import * as IdsJson from "../../src/server/dialects/IdsJson.ts"
import * as JsonPieces from "../../src/server/JsonPieces.ts"
import * as LargeJson from "../../src/server/LargeJson.ts"

/**
 * How many turns others on the event loop have during some work, and in how many of them some of it was done in steps.
 * A clock on which each look at it takes longer than work may go on makes every step the last of its turn: what is
 * counted is how finely work is cut, whatever the machine.
 */
const turnsDuring = <A, E>(
  work: Effect.Effect<A, E>
): Effect.Effect<{ readonly turns: number; readonly worked: number }, E> =>
  Effect.gen(function* () {
    const real = yield* Clock.Clock
    let nanoseconds = 0n
    const slow: Clock.Clock = Object.assign(Object.create(real), {
      monotonicTimeNanosUnsafe: () => (nanoseconds += 1_000_000_000n)
    })
    let turns = 0
    let worked = 0
    let seen = nanoseconds
    let next = setImmediate(function turn() {
      turns++
      if (nanoseconds > seen) worked++
      seen = nanoseconds
      next = setImmediate(turn)
    })
    yield* Effect.ensuring(
      Effect.provideService(work, Clock.Clock, slow),
      Effect.sync(() => clearImmediate(next))
    )
    return { turns, worked }
  })

const pixels = { width: 1000, height: 700 }

const map: LabelMap.LabelMap = {
  ...pixels,
  data: Uint8Array.from({ length: 700_000 }, (_, i) => (i >> 10) % 7)
}

/** Some eight hundred regions. */
const blocks: LabelMap.LabelMap = {
  ...pixels,
  data: Uint8Array.from({ length: 700_000 }, (_, i) => {
    const x = Math.floor((i % 1000) / 30)
    const y = Math.floor(i / 30_000)
    return (Math.imul(x, 73_856_093) ^ Math.imul(y, 19_349_663)) >>> 29
  })
}

/** Times that a whole map is gone over in pieces of as many pixels as a step has. */
const stepsOver = (times: number) => times * Math.floor(pixels.height / Steps.rowsPerStep(pixels.width))

describe("others on the event loop have their turn while", () => {
  it.live("files in base64 are decoded", () =>
    Effect.gen(function* () {
      const base64 = Buffer.alloc(2_400_000, "0123456789")
        .toString("base64")
        .replaceAll("D", String.raw`\/`)
      const body = Buffer.from(JSON.stringify({ inputs: "x" }).replace('"x"', `"${base64}"`))
      const { worked } = yield* turnsDuring(
        Effect.flatMap(LargeJson.parse(body), (value) =>
          value !== null &&
          typeof value === "object" &&
          "inputs" in value &&
          value.inputs instanceof LargeJson.LongText
            ? LargeJson.fileOf(value.inputs, "inputs")
            : Effect.die("it should be a long text")
        )
      )
      assert.isAtLeast(worked, Math.floor(body.length / 65_536))
    })
  )

  it.live("pixels are read from arrays", () =>
    Effect.gen(function* () {
      const body = Buffer.from(`[${"0,17,255,".repeat(200_000)}1]`)
      const { worked } = yield* turnsDuring(LargeJson.parse(body))
      assert.isAtLeast(worked, Math.floor(body.length / 65_536))
    })
  )

  it.live("long lists of other things are read", () =>
    Effect.gen(function* () {
      const text = Buffer.from(`[${'{"id":1,"data":null},'.repeat(100_000)}1]`)
      const { turns, worked } = yield* turnsDuring(LargeJson.parse(text, { maxRest: text.length }))
      assert.isAtLeast(Math.min(turns, worked), Math.floor(text.length / 65_536))
    })
  )

  it.live("masks are made", () =>
    Effect.gen(function* () {
      const { worked } = yield* turnsDuring(ClassScores.masks(map, [0, 1, 2, 3, 4, 5, 6]))
      assert.isAtLeast(worked, stepsOver(7))
    })
  )

  it.live("ids are written as JSON", () =>
    Effect.gen(function* () {
      const pieces = [...IdsJson.nested(map)].filter((piece) => piece.length > 4096)
      assert.isAtLeast(pieces.length, 20)
      const { turns } = yield* turnsDuring(Stream.runDrain(JsonPieces.stream<never>(IdsJson.nested(map))))
      assert.isAtLeast(turns, pieces.length)
    })
  )

  it.live.each([
    "application/json",
    "application/geo+json",
    "application/vnd.coco+json",
    "text/csv"
  ] as const)("regions are found and written as %s", (format) =>
    Effect.gen(function* () {
      const raster = { ...pixels, channels: 1, data: new Uint8Array(700_000) } as const
      const image = yield* Effect.provide(ImageSource.raster(raster).open(), SharpCodec.layer)
      const prediction = { _tag: "Labels", classes: [], labelMap: blocks } as const
      const cost = { attempts: 1, duration: Duration.zero, serviceTime: undefined, requestId: "1" }
      const { worked } = yield* turnsDuring(
        Effect.gen(function* () {
          const segmentation = yield* fromPrediction(image, prediction, "test", cost)
          const asked = { format, labels: false, confidence: false }
          return yield* Answer.make({ image, segmentation }, asked, { requestId: "1", model: "test" })
        })
      )
      // Runs of equal pixels are found and joined, and regions measured.
      assert.isAtLeast(worked, stepsOver(3))
    })
  )
})
