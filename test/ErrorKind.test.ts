/** Options that are one of several words, given another as programs without types do: refused by name, and never the default. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Stream } from "effect"
import { ImageSource, LabelMap, Policy, segment, segmentAll, segmentWithAgreement } from "effect-segformer"
import {
  Cog,
  Custom,
  HuggingFace,
  OpenInference,
  Replicate,
  Roboflow,
  TfServing,
  TorchServe
} from "effect-segformer/http"
import { ImageCodec, PureCodec } from "effect-segformer/image"
import { Coco, Morphology } from "effect-segformer/mask"
import { Hide } from "effect-segformer/render"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { LabelFile, LargeImage } from "effect-segformer/tiled"
import * as Agreement from "../src/Agreement.ts"
import * as Stretch from "../src/image/Stretch.ts"
import * as Areas from "../src/mask/Areas.ts"
import * as LabelStudioReading from "../src/mask/LabelStudioReading.ts"
import * as Annotation from "../src/server/dialects/Annotation.ts"
import * as ServiceRegistry from "../src/service/ServiceRegistry.ts"

/** As a program in plain JavaScript has it: whatever type is wanted. */
const odd = <A extends object>(options: object): A => JSON.parse(JSON.stringify(options))

const map = LabelMap.makeUnsafe({ width: 2, height: 1, data: Uint8Array.of(0, 1) })
const raster = { width: 1, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3) } as const
const source = ImageSource.bytes(Fixtures.image)
const model = "m"

const inTime: ReadonlyArray<readonly [option: string, run: () => unknown]> = [
  ["Policy: `resend`", () => Policy.make(odd({ resend: "never" }))],
  ["Policy: `breaker.around`", () => Policy.make(odd({ breaker: { around: "call" } }))],
  ["segmentAll: `order`", () => segmentAll(Stream.make(source), odd({ order: "completed" }))],
  ["custom: `body.as`", () => Custom.make(odd({ body: { as: "file" } }))],
  ["custom: `method`", () => Custom.make(odd({ method: "post" }))],
  ["custom: `mask.as`", () => Custom.make(odd({ mask: { as: "PNG" } }))],
  ["custom: `mask.channels`", () => Custom.make(odd({ mask: { channels: "middle" } }))],
  ["torchserve: `body`", () => TorchServe.make(odd({ model, body: "json" }))],
  ["torchserve: `mask.as`", () => TorchServe.make(odd({ model, mask: { as: "id" } }))],
  ["tfserving: `mask.as`", () => TfServing.make(odd({ model, mask: { as: "id" } }))],
  ["replicate: `sendAs`", () => Replicate.make(odd({ version: "v", sendAs: "url" }))],
  ["roboflow: `sendAs`", () => Roboflow.make(odd({ modelId: "m/1", sendAs: "url" }))],
  ["cog: `method`", () => Cog.make(odd({ method: "put" }))],
  ["huggingface: `body`", () => HuggingFace.make(odd({ body: "form" }))],
  ["huggingface: `parameters.subtask`", () => HuggingFace.make(odd({ parameters: { subtask: "all" } }))],
  ["Hide: `style`", () => Hide.paint(raster, map, odd({ ids: [1], style: "black" }))],
  [
    "Morphology: `shape`",
    () => Morphology.dilate({ ...map, data: Uint8Array.of(0, 1) }, odd({ radius: 1, shape: "round" }))
  ],
  ["Coco: `segmentation`", () => Coco.annotations(map, odd({ imageId: 1, segmentation: "polygon" }))],
  ["Areas: `per`", () => [...Areas.steps(map, odd({ per: "object" }), () => undefined)]],
  ["LabelStudio: `prefer`", () => LabelStudioReading.task({}, odd({ prefer: "latest" }))],
  ["Stretch: `unit`", () => Stretch.limitsOf(odd({ black: 0, white: 1, unit: "%" }), Float32Array.of(1))],
  ["annotation: `per`", () => Annotation.check(odd({ per: "object" }))],
  [
    "ServiceRegistry: `healthAt`",
    () => ServiceRegistry.healthUrl(odd({ baseUrl: "http://h/a", healthPath: "/health", healthAt: "top" }))
  ]
]

const encode = Effect.flatMap(ImageCodec, (codec) => codec.encode(raster, JSON.parse(`"jpg"`)))
const fake = SegFormerTest.layer(() => Effect.die("it was asked"))
const answered = SegFormerTest.layer(() => SegFormerTest.succeed({ ...Fixtures.prediction, labelMap: map }))
const ensemble = Agreement.layer([fake, fake])
const path = "none/of/this.png"

const later: ReadonlyArray<readonly [option: string, run: Effect.Effect<unknown, unknown>]> = [
  ["segment: `otherSize`", Effect.provide(segment(source, odd({ otherSize: "stretch" })), answered)],
  [
    "segmentWithAgreement: `match`",
    Effect.provide(segmentWithAgreement(source, odd({ match: "names" })), ensemble)
  ],
  ["ImageCodec.encode: `format`", Effect.provide(encode, SharpCodec.layer)],
  ["ImageCodec.encode: `format`", Effect.provide(encode, PureCodec.layer())],
  [
    "openinference: `channels`",
    Effect.provide(OpenInference.make(odd({ model, channels: "middle" })), SharpCodec.layer)
  ],
  ["openinference: `as`", Effect.provide(OpenInference.make(odd({ model, as: "id" })), SharpCodec.layer)],
  [
    "LabelFile: `format`",
    Effect.provide(LabelFile.write(path, map, Stream.empty, odd({ format: "jpg" })), NodeFileSystem.layer)
  ],
  [
    "LargeImage: `compression`",
    Effect.scoped(Effect.provide(LargeImage.file(path, odd({ compression: "lzw" })), NodeFileSystem.layer))
  ]
]

const refused = (error: unknown, option: string) => {
  assert.instanceOf(error, RangeError, `${option}: ${String(error)}`)
  assert.include(String(error), `${option} must be one of `)
}

describe("an option that is one of several words", () => {
  it.each(inTime)("refuses another at once: %s", (option, run) => {
    let error: unknown
    try {
      run()
    } catch (cause) {
      error = cause
    }
    refused(error, option)
  })

  it.effect.each(later)("refuses another as a mistake of the program: %s", ([option, run]) =>
    Effect.map(Effect.exit(run), (exit) =>
      refused(exit._tag === "Failure" ? Cause.squash(exit.cause) : undefined, option)
    )
  )
})
