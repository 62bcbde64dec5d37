/** What every server is asked: the same images, whose label maps must be those of the model in this process, id by id. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { NodeHttpClient } from "@effect/platform-node"
import sharp from "sharp"
import { Effect, Layer } from "effect"
import {
  ImageSource,
  segment,
  type SegmentationError,
  type SegmentOptions,
  Transport
} from "effect-segformer"
import { type Protocol, SegFormerHttp } from "effect-segformer/http"
import type { ImageCodec } from "effect-segformer/image"
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
  bytes: readFileSync(fileURLToPath(new URL(`../../fixtures/heldout/${name}`, import.meta.url)))
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

const sourceOf = ({ bytes, name }: Picture) => ImageSource.bytes(bytes, { name })

const labelMapOf = (picture: Picture, options?: SegmentOptions) =>
  Effect.flatMap(segment(sourceOf(picture), options), (found) => found.labelMap)

/** In process, once for all servers. */
const known: Effect.Effect<ReadonlyMap<Picture, LabelMap.LabelMap>, unknown> = Effect.runSync(
  Effect.cached(
    Effect.forEach([...pictures, ...square], (picture) =>
      Effect.map(labelMapOf(picture), (map) => [picture, map] as const)
    ).pipe(
      Effect.map((all) => new Map(all)),
      Effect.provide(SegFormerOnnx.layer().pipe(Layer.provide(SharpCodec.layer)))
    )
  )
)

export interface Service extends Omit<SegFormerHttp.SegFormerHttpOptions, "protocol"> {
  readonly protocol: Protocol | Effect.Effect<Protocol, never, ImageCodec>
}

const layerOf = ({ protocol, ...options }: Service) =>
  Layer.unwrap(
    Effect.map(Effect.isEffect(protocol) ? protocol : Effect.succeed(protocol), (made) =>
      SegFormerHttp.layer({ ...options, protocol: made })
    )
  ).pipe(Layer.provide(Layer.mergeAll(SharpCodec.layer, NodeHttpClient.layerUndici)))

/** Fails unless every picture comes back as the model has it. Several are under way at once. */
export const sameMaps = (
  service: Service,
  given: ReadonlyArray<Picture> = pictures,
  mayDiffer = 0
): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const expected = yield* known
    yield* Effect.forEach(
      given,
      (picture) =>
        Effect.map(labelMapOf(picture), (found) => same(picture, found, expected.get(picture)!, mayDiffer)),
      { concurrency: "unbounded", discard: true }
    )
  }).pipe(Effect.provide(layerOf(service)))

const same = (
  { name }: Picture,
  found: LabelMap.LabelMap,
  expected: LabelMap.LabelMap,
  mayDiffer: number
): void => {
  assert.deepEqual([found.width, found.height], [expected.width, expected.height], name)
  let others = 0
  for (const [at, id] of expected.data.entries()) if (found.data[at] !== id) others++
  assert.ok(others <= mayDiffer, `${name}: ${others} pixels have another id`)
}

/** How a picture fails. */
export const failure = (
  service: Service,
  picture: Picture = pictures[0]!
): Effect.Effect<SegmentationError, unknown> =>
  Effect.flip(labelMapOf(picture, { policy: { retry: false } })).pipe(Effect.provide(layerOf(service)))

/** Fails unless a picture fails so, in words that the service says. */
export const failsWith = (
  service: Service,
  tag: SegmentationError["_tag"],
  words: RegExp,
  picture?: Picture
): Effect.Effect<void, unknown> =>
  Effect.map(failure(service, picture), (error) => {
    assert.equal(error._tag, tag, error.message)
    assert.match(error.message, words)
  })

/** How the service says that it is. */
export const health = (service: Service) =>
  Effect.flatMap(Transport, (transport) => transport.health).pipe(Effect.provide(layerOf(service)))

export const healthy = (service: Service): Effect.Effect<void, unknown> =>
  Effect.map(health(service), (found) => assert.equal(found.healthy, true, found.detail))

export const unhealthy = (service: Service): Effect.Effect<void, unknown> =>
  Effect.map(health(service), (found) => assert.equal(found.healthy, false, found.detail))

export const describe = (service: Service) =>
  Effect.flatMap(Transport, (transport) => transport.describe).pipe(Effect.provide(layerOf(service)))

export { assert }
