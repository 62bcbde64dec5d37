/** Image processing in three ways, for tests. */
import { createServer } from "node:http"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodePath from "@effect/platform-node/NodePath"
import { Context, Effect, Layer, References, type Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { type Prediction } from "effect-segformer"
import { ImageProcessing, ImageProcessingRoutes, PictureFiles } from "effect-segformer/companions"
import { ImageSource } from "effect-segformer/image"
import { PdfLib } from "effect-segformer/pdf"
import { ImageProcessingDialect, SegFormerServer, type SegFormerServerOptions } from "effect-segformer/server"
import { ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { folder } from "../support/Folder.ts"

export const pictures = folder({ "panel.png": Fixtures.image, "notes.txt": "no image" })

export const segmenter = (prediction: Prediction = Fixtures.prediction) =>
  SegFormerTest.layer(() => Effect.succeed(prediction))

export const local = (path: string, transport = segmenter()) =>
  ImageProcessing.layerLocal().pipe(
    Layer.provide([
      transport,
      SharpCodec.layer,
      Layer.provide(PictureFiles.layerFolder(path), [NodeFileSystem.layer, NodePath.layer]),
      PdfLib.layer
    ])
  )

export const listening = (server: Layer.Layer<HttpServer.HttpServer, unknown>) =>
  Effect.map(Effect.orDie(Layer.build(server)), (context) =>
    HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  )

/** The client of a service at this address. */
export const client = (url: string) =>
  ImageProcessing.layerHttp().pipe(
    Layer.provide([ServiceRegistry.layerOf({ imageProcessing: url }), NodeHttp.layer()]),
    Layer.orDie
  )

export const routes = (images: Layer.Layer<ImageProcessing>) =>
  listening(
    HttpRouter.serve(Layer.provide(ImageProcessingRoutes.layer, images), {
      disableLogger: true,
      disableListenLog: true
    }).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))
  )

export const served = (
  path: string | undefined,
  transport = segmenter(),
  options: SegFormerServerOptions = {}
) =>
  Effect.map(
    SegFormerServer.make({
      port: 0,
      page: false,
      dialects: [ImageProcessingDialect.make({ folder: path })],
      ...options
    }).pipe(Effect.provide([transport, SharpCodec.layer, NodeFileSystem.layer]), Effect.orDie),
    ({ url }) => url
  )

export type Backend = (path: string) => Effect.Effect<Layer.Layer<ImageProcessing>, never, Scope.Scope>

export const backends: ReadonlyArray<readonly [name: string, backend: Backend]> = [
  ["in this process", (path) => Effect.succeed(local(path))],
  ["behind routes of one's own", (path) => Effect.map(routes(local(path)), client)],
  ["as segformer serve offers it", (path) => Effect.map(served(path), client)]
]

export const quiet = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.provideService(Effect.scoped(self), References.MinimumLogLevel, "None")

export const square = { width: 1, height: 1 }
export const particle = { x: 8, y: 10, width: 9, height: 9 }

/** The size of a picture in a file. */
export const sizeOf = (path: string) =>
  Effect.gen(function* () {
    const image = yield* ImageSource.file(path).open()
    return [image.format, image.width, image.height]
  }).pipe(Effect.provide(NodeFileSystem.layer))
