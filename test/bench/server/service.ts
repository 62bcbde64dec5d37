/**
 * One way to serve a model, in a process of its own: `node service.ts SUBJECT MODEL`. Subjects are "node:http", the
 * least that can be written by hand, and "effect-segformer".
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect, Layer, ManagedRuntime, References } from "effect"
import { ImageSource, type Prediction, segment, Transport } from "../../../src/index.ts"
import { type LabelMap, LabelMap as Labels } from "../../../src/mask/index.ts"
import { SegFormerOnnx } from "../../../src/onnx/index.ts"
import { SegFormerServer } from "../../../src/server/index.ts"
import { SharpCodec } from "../../../src/image/sharp.ts"

const [subject = "", model = ""] = process.argv.slice(2)

/** Scratches and some pits, as large as the image: what comes after the model has something to do. */
const drawn = (width: number, height: number): LabelMap.LabelMap => {
  const data = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pit = (x % 160) - 80
      const dip = (y % 128) - 64
      data[y * width + x] = pit * pit + dip * dip < 400 ? 2 : (x + y) % 400 < 12 ? 1 : 0
    }
  }
  return { width, height, data }
}

const classes = ["background", "scratch", "pit"].map((name, id) => ({ id, name }))
const answer = (map: LabelMap.LabelMap): Prediction => ({ _tag: "Labels", classes, labelMap: map })
const maps = new Map<string, LabelMap.LabelMap>()
const mapOf = ({ height, width }: { readonly width: number; readonly height: number }) => {
  const key = `${width} ${height}`
  const map = maps.get(key) ?? drawn(width, height)
  maps.set(key, map)
  return map
}

/** Answers at once. */
const stub = Transport.layer({
  name: "stub",
  describe: Effect.succeed({ name: "stub", classes }),
  predict: ({ image }) => Effect.succeed(answer(mapOf(image)))
})

const transport =
  model === "bundled" ? SegFormerOnnx.layer().pipe(Layer.provide(SharpCodec.layer), Layer.orDie) : stub

const quiet = Layer.succeed(References.MinimumLogLevel, "None")

if (subject === "node:http") {
  const runtime = ManagedRuntime.make(Layer.merge(transport, quiet))
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const program = Effect.gen(function* () {
        const segmentation = yield* segment(ImageSource.bytes(Buffer.concat(chunks)))
        const map = yield* segmentation.labelMap
        const regions = yield* segmentation.regions
        return { map, regions, classes: segmentation.classes }
      })
      runtime.runPromise(program).then(
        ({ classes, map, regions }) => {
          const pixels = map.width * map.height
          const body = JSON.stringify({
            model,
            width: map.width,
            height: map.height,
            classes: Array.from(Labels.histogram(map), ([id, count]) => ({
              id,
              name: classes.find((info) => info.id === id)?.name,
              pixels: count,
              share: count / pixels
            })),
            regions: regions
              .toSorted((a, b) => b.area - a.area)
              .map(({ area, box, centroid, classId, className, meanConfidence = null }, id) => ({
                id,
                classId,
                class: className,
                area,
                boundingBox: box,
                centroid,
                confidence: meanConfidence
              })),
            regionsTotal: regions.length
          })
          response.writeHead(200, {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(body)
          })
          response.end(body)
        },
        (cause: unknown) => {
          response.writeHead(500)
          response.end(String(cause))
        }
      )
    })
  })
  await runtime.runPromise(Effect.void)
  server.listen(0, "127.0.0.1", () => process.send!((server.address() as AddressInfo).port))
} else {
  const server = SegFormerServer.layer({
    port: 0,
    queue: 128,
    page: false
  }).pipe(Layer.provide([transport, SharpCodec.layer, NodeFileSystem.layer, quiet]))
  const program = Effect.gen(function* () {
    const { port } = yield* SegFormerServer
    process.send!(port)
    return yield* Effect.never
  })
  Effect.runFork(Effect.provide(program, Layer.merge(server, quiet)))
}
/** Asked for its processor time so far, in milliseconds. */
process.on("message", () => {
  const { system, user } = process.cpuUsage()
  process.send!((system + user) / 1000)
})
process.on("disconnect", () => process.exit())
