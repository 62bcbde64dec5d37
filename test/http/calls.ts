/** Calls of a service at an address, and the answers of one. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert } from "@effect/vitest"
import { Effect, Layer, Logger, Schema } from "effect"
import { ImageSource, segment, SegmentationError, type SegmentOptions } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"
import { type Handler, sendJson } from "../support/TestServer.ts"

export const platform = Layer.mergeAll(NodeHttpClient.layerUndici, NodeFileSystem.layer, Logger.layer([]))
export const source = ImageSource.bytes(Fixtures.image, { name: "panel.png" })

type Options = Partial<SegFormerHttp.SegFormerHttpOptions>

export const call = <R>(
  url: string,
  image: ImageSource.ImageSource<R>,
  options: Options = {},
  segmentOptions: SegmentOptions = {}
) =>
  segment(image, segmentOptions).pipe(
    Effect.provide(SegFormerHttp.layer({ baseUrl: url, policy: { retry: false }, ...options }))
  )

/** The error, after a round trip through its schema. */
export const errorOf = <R>(effect: Effect.Effect<unknown, SegmentationError, R>) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(effect)
    const encoded = yield* Schema.encodeEffect(SegmentationError)(error)
    const decoded = yield* Schema.decodeUnknownEffect(SegmentationError)(JSON.parse(JSON.stringify(encoded)))
    assert.strictEqual(decoded._tag, error._tag)
    assert.strictEqual(decoded.message, error.message)
    assert.isAtMost(error.message.length, 700)
    return error
  }).pipe(Effect.orDie)

export const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    sendJson(response, value, status, headers)
export const raw =
  (body: string | Uint8Array, status = 200, type = "text/html"): Handler =>
  (_, response) =>
    void response.writeHead(status, { "content-type": type }).end(body)
