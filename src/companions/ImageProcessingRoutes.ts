/**
 * Image processing as routes of an HTTP server of one's own: whatever provides `ImageProcessing` answers the contract's
 * calls. Callers are told what they can act on; what is wrong inside (a model that is not loaded, a full disk) is 503
 * for them, and a warning in the log.
 *
 * Paths come from strangers: provide `ImageProcessing.layerLocal` with pictures that are confined (`PictureFiles`).
 * Bodies hold whole pictures: bound them by `HttpIncomingMessage.MaxBodySize`. `segformer serve` does both by itself.
 */
import { Effect, type FileSystem, Layer, type Path } from "effect"
import { HttpEffect, HttpServerResponse, type Etag, type HttpPlatform, type HttpRouter } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import {
  type CompanionError,
  CompanionUnavailable,
  InputInvalid,
  ResourceNotFound
} from "./CompanionError.ts"
import { ImageProcessing, type ImageProcessingError } from "./ImageProcessing.ts"
import { ImageProcessingApi } from "./ImageProcessingApi.ts"
import * as ImageWarnings from "./ImageWarnings.ts"

const service = "imageProcessing"

/** What a failure is to a caller of the contract. */
export const refusalOf = (
  error: ImageProcessingError
): Exclude<CompanionError, { readonly _tag: "ResourceConflict" }> => {
  switch (error._tag) {
    case "Unauthenticated":
    case "Forbidden":
    case "ResourceNotFound":
    case "InputInvalid":
    case "CompanionUnavailable":
      return error
    case "ImageNotFound":
      return new ResourceNotFound({ service, detail: error.message })
    case "ImageNotReadable":
    case "ImageTooLarge":
    case "NotAnImage":
    case "UnsupportedImage":
    case "RequestInvalid":
    case "ResourceConflict":
      return new InputInvalid({ service, detail: error.message })
    default:
      return new CompanionUnavailable({ service, detail: "It cannot be done for now. The log says why" })
  }
}

const refused = <A>(self: Effect.Effect<A, ImageProcessingError>) =>
  Effect.catch(self, (error) => {
    const refusal = refusalOf(error)
    return Effect.andThen(
      refusal._tag === "CompanionUnavailable" ? Effect.logWarning(error.message) : Effect.void,
      Effect.fail(refusal)
    )
  })

/** Warnings go along with the answer, in its header. */
const warned = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(ImageWarnings.collect(self), ([value, warnings]) =>
    warnings.length === 0
      ? Effect.succeed(value)
      : Effect.as(
          HttpEffect.appendPreResponseHandler((_, response) =>
            Effect.succeed(
              HttpServerResponse.setHeader(response, "warning", ImageWarnings.toHeader(warnings))
            )
          ),
          value
        )
  )

/** The handlers of the contract's group: for an `HttpApi` that has {@link ImageProcessingGroup} among others. */
export const layerHandlers = HttpApiBuilder.group(
  ImageProcessingApi,
  "imageProcessing",
  Effect.fnUntraced(function* (handlers) {
    const images = yield* ImageProcessing
    return handlers
      .handle("detect", ({ payload }) => warned(refused(images.detect(payload))))
      .handle("crop", ({ payload }) => refused(images.crop(payload)))
      .handle("batch", ({ payload }) => refused(images.batch(payload)))
      .handle("sheet", ({ payload }) => refused(images.sheet(payload)))
      .handle("health", () =>
        Effect.catch(images.health, (error) =>
          Effect.succeed({ status: "unhealthy" as const, last_error: refusalOf(error).detail })
        )
      )
  })
)

/** The routes, for `HttpRouter.serve`. */
export const layer: Layer.Layer<
  never,
  never,
  | ImageProcessing
  | HttpRouter.HttpRouter
  | Etag.Generator
  | HttpPlatform.HttpPlatform
  | FileSystem.FileSystem
  | Path.Path
> = Layer.provide(HttpApiBuilder.layer(ImageProcessingApi), layerHandlers)
