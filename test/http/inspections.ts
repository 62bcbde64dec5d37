/** What tests of the inspection service share. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, Layer, Logger, Stream } from "effect"
import { ImageSource } from "effect-segformer"
import { InspectionService, type InspectionServiceOptions } from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"

export const platform = Layer.mergeAll(NodeHttpClient.layerUndici, NodeFileSystem.layer, Logger.layer([]))

export const connect = (server: { readonly url: string }, options: Partial<InspectionServiceOptions> = {}) =>
  InspectionService.make({
    baseUrl: server.url,
    policy: { retry: { delay: "1 millis" }, breaker: false },
    ...options
  })

export const image = (name: string) => ImageSource.bytes(Fixtures.image, { name })
export const bytesOf = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat(chunks))
export const tagOf = <E extends { readonly _tag: string }, R>(effect: Effect.Effect<unknown, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)
