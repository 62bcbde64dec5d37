/** README's first program by a service and by the model in its own process: one result. */
import { NodeHttpClient } from "@effect/platform-node"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, References } from "effect"
import { FetchHttpClient } from "effect/http"
import { ImageSource, LabelMap, segment } from "effect-segformer"
import { Detection, SegFormer, SegFormerConfig, SegFormerHttp } from "effect-segformer/http"
import { SegFormerServer } from "effect-segformer/server"
import { NodeHttp } from "effect-segformer/service/node"
import { Fixtures } from "effect-segformer/testing"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import * as Warm from "../support/Warm.ts"
import { serve } from "./support.ts"

/** Each way to a service that a program may take without saying what it speaks, and the one that says it. */
const ways = (url: string) =>
  [
    ["as README writes it", SegFormerHttp.layer({ baseUrl: url })],
    ["by its own protocol", SegFormerHttp.layer({ baseUrl: url, protocol: SegFormer.protocol })],
    ["by what it is found to speak", SegFormerHttp.layer({ baseUrl: url, protocol: Detection.make() })],
    ["by the environment", SegFormerHttp.layerConfig(SegFormerConfig.config)]
  ] as const

const panel = ImageSource.file("docs/images/sample.jpg")

describe("the embedded model and a service that has it", () => {
  it.live("give equal label maps, classes, scores and regions, over NodeHttp and over fetch", () =>
    Effect.gen(function* () {
      const { url } = yield* SegFormerServer.make({ port: 0, page: false })
      const ours = yield* segment(panel)
      const environment = ConfigProvider.layer(
        ConfigProvider.fromEnv({ env: { SEGFORMER_SERVICE_URL: url } })
      )
      const regions = yield* ours.regions
      assert.include(
        regions.map(({ className }) => className),
        "scratch"
      )
      for (const client of [NodeHttp.layer(), NodeHttpClient.layerUndici, FetchHttpClient.layer]) {
        for (const [name, way] of ways(url)) {
          const theirs = yield* segment(panel).pipe(
            Effect.provide(way.pipe(Layer.provide([client, environment])))
          )
          assert.isTrue(LabelMap.equals(yield* ours.labelMap, yield* theirs.labelMap), name)
          assert.deepStrictEqual(
            theirs.classes.map(({ id, name }) => [id, name]),
            ours.classes.map(({ id, name }) => [id, name]),
            name
          )
          assert.deepStrictEqual(theirs.scores, ours.scores, name)
          assert.deepStrictEqual(yield* theirs.regions, regions, name)
        }
      }
    }).pipe(
      Effect.scoped,
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.provide([Warm.model, NodeFileSystem.layer])
    )
  )

  it.live("the service's own protocol brings confidence where it is asked for", () =>
    Effect.gen(function* () {
      const { url } = yield* SegFormerServer.make({ port: 0, page: false })
      const ours = yield* segment(panel)
      const http = SegFormerHttp.layer({
        baseUrl: url,
        protocol: SegFormer.make({ confidence: true })
      }).pipe(Layer.provide(NodeHttp.layer()))
      yield* Effect.gen(function* () {
        const theirs = yield* segment(panel)
        assert.isDefined(ours.confidence)
        let most = 0
        theirs.confidence?.data.forEach((value, at) => {
          most = Math.max(most, Math.abs(value - ours.confidence!.data[at]!))
        })
        assert.isTrue(theirs.confidence !== undefined && most <= 0.5 / 255 + 1e-6, `${most}`)
      }).pipe(Effect.provide(http))
    }).pipe(
      Effect.scoped,
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.provide([Warm.model, NodeFileSystem.layer])
    )
  )
})

describe("a protocol that is found out", () => {
  const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })

  it.live("is asked for once, and a plain inspection service is spoken to as ever", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const found = yield* Effect.all([segment(image), segment(image), segment(image)], {
        concurrency: "unbounded"
      }).pipe(
        Effect.provide(
          SegFormerHttp.layer({ baseUrl: server.url, protocol: Detection.make() }).pipe(
            Layer.provide(NodeHttp.layer())
          )
        )
      )
      assert.deepStrictEqual(
        server.requests.map(({ path }) => path),
        ["/v1/models", "/upload", "/upload", "/upload"]
      )
      for (const { labelMap, pictures } of found) {
        assert.strictEqual((yield* Effect.flip(labelMap))._tag, "NoLabelMap")
        assert.isDefined(pictures.overlay)
      }
    }).pipe(Effect.scoped)
  )

  it.live("of a server that only paints brings its pictures and its regions", () =>
    Effect.gen(function* () {
      const plain = yield* InspectionServer.make
      const behind = yield* segment(image).pipe(
        Effect.provide(SegFormerHttp.layer({ baseUrl: plain.url }).pipe(Layer.provide(NodeHttp.layer())))
      )
      const { url } = yield* serve(() =>
        Effect.succeed({
          _tag: "Rendered",
          width: behind.width,
          height: behind.height,
          classes: behind.classes,
          regions: behind.reported,
          pictures: behind.pictures
        })
      )
      const ours = yield* segment(image).pipe(
        Effect.provide(
          SegFormerHttp.layer({ baseUrl: url, protocol: Detection.make() }).pipe(
            Layer.provide(NodeHttp.layer())
          )
        )
      )
      assert.deepStrictEqual(yield* ours.regions, yield* behind.regions)
      assert.deepStrictEqual(ours.pictures, behind.pictures)
      assert.strictEqual((yield* Effect.flip(ours.labelMap))._tag, "NoLabelMap")
    }).pipe(Effect.scoped)
  )
})
