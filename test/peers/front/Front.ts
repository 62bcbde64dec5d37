/** Our client, and what stands between it and a server. */
import assert from "node:assert/strict"
import { Effect, Layer, Redacted, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import {
  ImageSource,
  segment,
  segmentAll,
  type SegmentationError,
  type SegmentOptions
} from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { NodeHttp } from "effect-segformer/service/node"
import * as Ours from "../clients/Ours.ts"
import { known, type Picture, pictures, same } from "../Pictures.ts"

export const token = Redacted.make(Ours.token)

export interface Service
  extends SegFormerHttp.SegFormerHttpOptions, Pick<NodeHttp.NodeHttpOptions, "ca" | "proxy"> {
  /** By the platform's `fetch`. */
  readonly fetch?: boolean
}

const layerOf = ({ ca, fetch, proxy = false, ...options }: Service) =>
  SegFormerHttp.layer(options).pipe(
    Layer.provide(fetch === true ? FetchHttpClient.layer : NodeHttp.layer({ ca, proxy }))
  )

const labelMapOf = ({ bytes, name }: Picture, options?: SegmentOptions) =>
  Effect.flatMap(segment(ImageSource.bytes(bytes, { name }), options), (found) => found.labelMap)

/** Fails unless every picture comes back as the model has it, so often, several at once. */
export const sameMaps = (service: Service, times = 1): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const expected = yield* known
    yield* Effect.forEach(
      Array.from({ length: times }, () => pictures).flat(),
      (picture) =>
        Effect.map(labelMapOf(picture), (found) => same(picture.name, found, expected.get(picture.name)!)),
      { concurrency: "unbounded", discard: true }
    )
  }).pipe(Effect.provide(layerOf(service)))

/** The same, as many images together: they slow down where they are told to. */
export const all = (service: Service, times = 2): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const expected = yield* known
    const given = Array.from({ length: times }, () => pictures).flat()
    const sources = given.map(({ bytes, name }) => ImageSource.bytes(bytes, { name }))
    const found = yield* Stream.runCollect(segmentAll(Stream.fromIterable(sources)))
    assert.equal(found.length, given.length)
    for (const { name, result } of found) {
      same(name, yield* (yield* Effect.fromResult(result)).labelMap, expected.get(name)!)
    }
  }).pipe(Effect.provide(layerOf(service)))

/** A small picture comes through. */
export const one = (service: Service): Effect.Effect<unknown, unknown> =>
  Effect.provide(labelMapOf(pictures[0]!), layerOf(service))

/** A picture with more behind it than some limits have room for. */
const large: Picture = {
  name: "001.jpg",
  bytes: Buffer.concat([pictures[3]!.bytes, Buffer.alloc(400 * 1024)])
}

/** Fails unless a picture fails so, in words that whoever answered says. */
export const failsWith = (
  service: Service,
  tag: SegmentationError["_tag"],
  words: RegExp,
  which: "large" | "small" = "small"
): Effect.Effect<void, unknown> =>
  Effect.flip(labelMapOf(which === "large" ? large : pictures[0]!, { policy: { retry: false } })).pipe(
    Effect.provide(layerOf(service)),
    Effect.map((error) => {
      assert.match(`${error._tag}: ${error.message}`, words)
      assert.equal(error._tag, tag)
    })
  )

/** Does something now and again while something else is under way. */
export const often = (times: number, act: () => void): Effect.Effect<void> =>
  Effect.forEach(Array.from({ length: times }), () => Effect.andThen(Effect.sync(act), Effect.sleep(100)), {
    discard: true
  })

/** Fails unless a page and all that it names are there. */
export const wholePage = (url: string): Effect.Effect<void, Error> =>
  Ours.trying(async () => {
    const page = await fetch(url, { headers: { accept: "text/html" } })
    assert.equal(page.status, 200)
    const named = [...(await page.text()).matchAll(/\s(?:href|src)="(\.\/page\/[^"]*)"/g)]
    assert.ok(named.length > 5)
    for (const [, path = ""] of named) assert.equal((await fetch(new URL(path, url))).status, 200, path)
  })
