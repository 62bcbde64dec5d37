/** What every server is asked: the same images, whose label maps must be those of the model in this process, id by id. */
import assert from "node:assert/strict"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import {
  ImageSource,
  segment,
  type SegmentationError,
  type SegmentOptions,
  Transport
} from "effect-segformer"
import { Probe, type Protocol, Protocols, SegFormerHttp } from "effect-segformer/http"
import type { ImageCodec } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import { classes, known, type Picture, pictures, same, square } from "../Pictures.ts"

export { broken, heavy } from "../Pictures.ts"

const sourceOf = ({ bytes, name }: Picture) => ImageSource.bytes(bytes, { name })

const labelMapOf = (picture: Picture, options?: SegmentOptions) =>
  Effect.flatMap(segment(sourceOf(picture), options), (found) => found.labelMap)

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
        Effect.map(labelMapOf(picture), (found) =>
          same(picture.name, found, expected.get(picture.name)!, mayDiffer)
        ),
      { concurrency: "unbounded", discard: true }
    )
  }).pipe(Effect.provide(layerOf(service)))

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

/**
 * Fails unless `segformer probe` knows the protocol and, where it is sure enough to write settings, these give the same map.
 */
export const probed = (
  url: string,
  protocol: string,
  options: Probe.ProbeOptions = {}
): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const found = yield* Probe.probe(url, options)
    assert.equal(found.protocol, protocol, `it is ${found.protocol}: ${found.signs.join("; ")}`)
    if (found.settings === undefined) return
    const { body, fields, healthPath, method, model, part, path } = found.settings
    const told = { body, fields, healthPath, method, model, part, path, classes }
    const made = yield* Protocols.byName[protocol]!(told)
    yield* sameMaps({ baseUrl: url, protocol: made }, square)
  }).pipe(Effect.provide(Layer.mergeAll(SharpCodec.layer, NodeHttpClient.layerUndici)))

export { assert, classes, pictures, square }
