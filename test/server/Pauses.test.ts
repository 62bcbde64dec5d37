/** Large requests and answers leave the event loop to others while they are read and written. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import { ImageSource } from "effect-segformer/image"
import type { LabelMap } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import { fromPrediction } from "../../src/Segmentation.ts"
import * as Answer from "../../src/server/v1/Answer.ts"
import * as Found from "../../src/server/Found.ts"
import * as IdsJson from "../../src/server/IdsJson.ts"
import * as JsonPieces from "../../src/server/JsonPieces.ts"
import * as LargeJson from "../../src/server/LargeJson.ts"

/** The longest that a timer had to wait during some work, as a share of all of it. */
const longestWait = <A, E>(self: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const start = performance.now()
    let last = start
    let longest = 0
    const tick = () => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
    }
    const timer = setInterval(tick, 1)
    yield* self
    tick()
    clearInterval(timer)
    return longest / (performance.now() - start)
  })

/** Where the machine has much else to do a timer may wait for that: one undisturbed run of a few is enough. */
const pauses = <A, E>(self: Effect.Effect<A, E>, share = 0.4) =>
  Effect.gen(function* () {
    let least = 1
    for (let run = 0; run < 8 && least > share; run++) least = Math.min(least, yield* longestWait(self))
    assert.isAtMost(least, share)
  })

const map: LabelMap.LabelMap = {
  width: 3000,
  height: 2000,
  data: Uint8Array.from({ length: 6_000_000 }, (_, i) => (i >> 10) % 7)
}

/** Some twenty thousand regions. */
const blocks: LabelMap.LabelMap = {
  width: 6000,
  height: 4000,
  data: Uint8Array.from({ length: 24_000_000 }, (_, i) => {
    const x = Math.floor((i % 6000) / 30)
    const y = Math.floor(i / 180_000)
    return (Math.imul(x, 73_856_093) ^ Math.imul(y, 19_349_663)) >>> 29
  })
}

describe("others on the event loop have their turn while", () => {
  it.live("files in base64 are decoded", () => {
    const base64 = Buffer.alloc(24_000_000, "0123456789")
      .toString("base64")
      .replaceAll("D", String.raw`\/`)
    const body = Buffer.from(JSON.stringify({ inputs: "x" }).replace('"x"', `"${base64}"`))
    return pauses(
      Effect.flatMap(LargeJson.parse(body), (value) =>
        value !== null &&
        typeof value === "object" &&
        "inputs" in value &&
        value.inputs instanceof LargeJson.LongText
          ? LargeJson.fileOf(value.inputs, "inputs")
          : Effect.die("it should be a long text")
      )
    )
  })

  it.live("pixels are read from arrays", () =>
    pauses(LargeJson.parse(Buffer.from(`[${"0,17,255,".repeat(2_000_000)}1]`)))
  )

  it.live("masks are made", () => pauses(Found.masks(map, [0, 1, 2, 3, 4, 5, 6])))

  it.live("ids are written as JSON", () =>
    // Long streams have a pause now and then by themselves: there must be many more.
    pauses(Stream.runDrain(JsonPieces.stream<never>(IdsJson.nested(map))), 0.1)
  )

  it.live.each([
    "application/json",
    "application/geo+json",
    "application/vnd.coco+json",
    "text/csv"
  ] as const)("regions are found and written as %s", (format) =>
    Effect.gen(function* () {
      const { height, width } = blocks
      const pixels = { width, height, channels: 1, data: new Uint8Array(width * height) } as const
      const image = yield* Effect.provide(ImageSource.raster(pixels).open(), SharpCodec.layer)
      const prediction = { _tag: "Labels", classes: [], labelMap: blocks } as const
      const cost = { attempts: 1, duration: Duration.zero, serviceTime: undefined, requestId: "1" }
      yield* pauses(
        Effect.gen(function* () {
          const segmentation = yield* fromPrediction(image, prediction, "test", cost)
          const asked = { format, labels: false, confidence: false }
          return yield* Answer.make({ image, segmentation }, asked, { requestId: "1", model: "test" })
        })
      )
    })
  )
})
