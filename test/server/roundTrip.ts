/** What a client finds by way of a server, held to what the segmenter behind the server finds. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { NodeHttpClient } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { Effect, Layer, References } from "effect"
import { ImageSource, LabelMap, type Region, type Segmentation, segment, Transport } from "effect-segformer"
import { Inspection, SegFormerHttp } from "effect-segformer/http"
import { ImageCodec } from "effect-segformer/image"
import type { Palette } from "effect-segformer/mask"
import { Colors } from "effect-segformer/render"
import { InspectionDialect, SegFormerServer } from "effect-segformer/server"
import * as Warm from "../support/Warm.ts"

/** What the protocol carries of a region. */
const carried = [
  "area",
  "aspectRatio",
  "box",
  "centroid",
  "circularity",
  "classId",
  "className",
  "majorAxis",
  "minorAxis",
  "perimeter"
] as const

/** In an order that does not depend on the protocol. */
const comparable = (regions: ReadonlyArray<Region>) =>
  regions
    .filter((region) => region.className !== "background")
    .toSorted((a, b) => a.classId - b.classId || a.box.y - b.box.y || a.box.x - b.box.x || a.area - b.area)
    .map((region) => carried.map((field) => region[field]))

export const client = (url: string, palette: Palette.Palette) =>
  SegFormerHttp.layer({
    baseUrl: url,
    protocol: Inspection.make({ palette }),
    policy: { retry: false }
  }).pipe(Layer.provide(NodeHttpClient.layerUndici))

const assertSame = Effect.fnUntraced(function* (ours: Segmentation, theirs: Segmentation, what: string) {
  assert.deepStrictEqual([theirs.width, theirs.height], [ours.width, ours.height], what)
  const [a, b] = [yield* ours.labelMap, yield* theirs.labelMap]
  assert.isTrue(LabelMap.equals(a, b), `label maps of ${what}`)
  assert.deepStrictEqual(comparable(yield* theirs.regions), comparable(yield* ours.regions), what)
})

/** A picture with something of everything in it, as PNG or JPEG. */
export const picture = (width: number, height: number, format: "png" | "jpeg") =>
  Effect.gen(function* () {
    const codec = yield* ImageCodec
    const data = new Uint8Array(width * height * 3)
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const blob = Math.sin(x / 9) * Math.cos(y / 13) > 0.8 ? 90 : 0
        const line = Math.abs(((x + y * 2) % 97) - 48) < 2 ? 80 : 0
        data.fill(90 + ((x * 7 + y * 3) % 11) + blob + line, (y * width + x) * 3, (y * width + x) * 3 + 3)
      }
    }
    return yield* codec.encode({ width, height, channels: 3, data }, format)
  })

/** Holds label maps and regions of the embedded model to those that come back over the socket, on pictures of these sizes. */
export const comesBack = (sizes: ReadonlyArray<readonly [width: number, height: number]>) =>
  Effect.gen(function* () {
    const embedded = yield* Transport
    const server = yield* SegFormerServer.make({
      port: 0,
      page: false,
      dialects: [InspectionDialect.make({ pictures: ["mask"] })]
    })
    const { classes } = yield* embedded.describe
    const http = yield* Layer.build(client(server.url, Colors.paletteOf(classes)))
    for (const [index, [width, height]] of sizes.entries()) {
      const format = index % 3 === 2 ? "jpeg" : "png"
      const bytes = yield* picture(width, height, format)
      const source = ImageSource.bytes(bytes, { name: `${width}x${height}.${format}` })
      const ours = yield* segment(source)
      const theirs = yield* Effect.provideContext(segment(source), http)
      yield* assertSame(ours, theirs, source.name)
    }
  }).pipe(
    Effect.scoped,
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.provide([Warm.model, NodeFileSystem.layer])
  )
