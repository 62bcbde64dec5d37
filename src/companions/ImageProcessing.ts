/**
 * Image processing: objects of an image, a crop that keeps them, many at once, a sheet of pictures. By a service
 * (`layerHttp`) or in this process, on top of a segmenter (`layerLocal`): one layer replaces the other.
 *
 * In this process objects are the regions of the wanted classes, and pictures are those that `PictureFiles` gives.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ImageProcessing, PictureFiles } from "effect-segformer/companions"
 * import { SharpCodec } from "effect-segformer/sharp"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 *
 * const panel = `data:image/png;base64,${Buffer.from(Fixtures.image).toString("base64")}`
 * const program = Effect.gen(function* () {
 *   const images = yield* ImageProcessing
 *   const found = yield* images.detect({ image_path: panel, detection_types: ["particle"] })
 *   return found.map(({ bounding_box, type }) => [type, bounding_box.width])
 * })
 * const local = ImageProcessing.layerLocal().pipe(
 *   Layer.provide(SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))),
 *   Layer.provide([SharpCodec.layer, PictureFiles.layerInline])
 * )
 * await Effect.runPromise(Effect.provide(program, local)) // => [["particle", 9]]
 * ```
 */
import { Context, Effect, Layer } from "effect"
import { ImageCodec } from "../image/ImageCodec.ts"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Variable from "../policy/Variable.ts"
import type { InvalidConfig } from "../policy/Variable.ts"
import { segment } from "../Segmenter.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import * as ServiceClient from "../service/ServiceClient.ts"
import * as ServiceHealth from "../service/ServiceHealth.ts"
import { Transport } from "../Transport.ts"
import type { CompanionError } from "./CompanionError.ts"
import {
  type BatchRequest,
  type BatchResult,
  type ComposedSheet,
  type CropRequest,
  type Detection,
  type DetectRequest,
  type HealthStatus,
  ImageProcessingApi,
  type ProcessedImage,
  type SheetRequest
} from "./ImageProcessingApi.ts"
import * as ImageWarnings from "./ImageWarnings.ts"
import * as LocalImages from "./images/LocalImages.ts"
import { PictureFiles, type PictureNotWritten } from "./PictureFiles.ts"

/** How image processing fails, wherever it is done. */
export type ImageProcessingError =
  | CompanionError
  | SegmentationError
  | ServiceClient.CallError
  | PictureNotWritten

/** The service's calls as they are. `PYTHON_SERVICE_URL` says where it is. */
export class ImageProcessingClient extends ServiceClient.Service<ImageProcessingClient>()(
  "effect-segformer/companions/ImageProcessingClient",
  ImageProcessingApi,
  {
    service: "imageProcessing",
    health: (client) =>
      Effect.map(client.health(), ({ last_error, status }) => ({
        healthy: status === "healthy",
        detail: last_error ?? status
      }))
  }
) {}

/** Between two checks of the service's health in the background. */
const healthInterval = Variable.duration("HEALTH_CHECK_INTERVAL", {
  sets: "between two checks of the image processing service",
  default: "60 seconds"
})

/** How often, how patiently and after how many bad checks the service is taken for unhealthy. */
export type ImageProcessingHealthOptions = Partial<
  Pick<
    ServiceHealth.ServiceHealthOptions,
    "interval" | "jitter" | "timeout" | "healthyAfter" | "unhealthyAfter"
  >
>

const makeHttp = Effect.fnUntraced(function* (options: ImageProcessingHealthOptions) {
  const reader = Variable.reader()
  const interval = yield* reader.read(healthInterval)
  yield* reader.done
  const client = yield* ImageProcessingClient
  const { service } = ServiceClient.about(client)
  const checks = yield* ServiceHealth.make({
    service,
    check: ServiceClient.health(client),
    interval,
    unhealthyAfter: 1,
    ...omitUndefined(options)
  })
  return ImageProcessing.of({
    detect: (payload) =>
      Effect.flatMap(
        client.detect({ payload, responseMode: "decoded-and-response" }),
        ([found, { headers }]) =>
          Effect.as(Effect.forEach(ImageWarnings.fromHeader(headers["warning"]), ImageWarnings.warn), found)
      ),
    crop: (payload) => client.crop({ payload }),
    batch: (payload) => client.batch({ payload }),
    sheet: (payload) => client.sheet({ payload }),
    health: client.health(),
    state: checks.state
  })
})

/** Image processing, wherever it is done. */
export class ImageProcessing extends Context.Service<
  ImageProcessing,
  {
    /**
     * The objects of an image of the wanted classes; in this process the largest first. Of a class that the model lacks
     * there are none, and a warning in the log, unless the request is `strict`.
     */
    readonly detect: (request: DetectRequest) => Effect.Effect<ReadonlyArray<Detection>, ImageProcessingError>
    /** The largest part of an image with an aspect ratio. */
    readonly crop: (request: CropRequest) => Effect.Effect<ProcessedImage, ImageProcessingError>
    /** Crops of many images. One that fails is listed, and keeps no other from being processed. */
    readonly batch: (request: BatchRequest) => Effect.Effect<BatchResult, ImageProcessingError>
    /** A page of pictures, as PNG or PDF. */
    readonly sheet: (request: SheetRequest) => Effect.Effect<ComposedSheet, ImageProcessingError>
    /** How it is, asked now. */
    readonly health: Effect.Effect<HealthStatus, ImageProcessingError>
    /** What the last checks in the background found. */
    readonly state: Effect.Effect<ServiceHealth.HealthState>
  }
>()("effect-segformer/companions/ImageProcessing") {
  /**
   * By {@link ImageProcessingClient}, whose health is checked every `HEALTH_CHECK_INTERVAL`, by default a minute. The first
   * check that fails makes it unhealthy, the first good one healthy again, unless the options have it otherwise.
   */
  static readonly layerClient = (
    options: ImageProcessingHealthOptions = {}
  ): Layer.Layer<ImageProcessing, InvalidConfig, ImageProcessingClient> =>
    Layer.effect(ImageProcessing, makeHttp(options))

  /** By the service at `PYTHON_SERVICE_URL`. */
  static readonly layerHttp = (options?: ImageProcessingHealthOptions) =>
    Layer.provide(ImageProcessing.layerClient(options), ImageProcessingClient.layer)

  /** In this process: the segmenter finds the objects, the codec reads and writes the pictures. */
  static readonly layerLocal = (
    options?: LocalImages.LocalImagesOptions
  ): Layer.Layer<ImageProcessing, never, Transport | ImageCodec | PictureFiles> =>
    Layer.effect(
      ImageProcessing,
      Effect.gen(function* () {
        const transport = yield* Transport
        const images = yield* LocalImages.make<SegmentationError>(
          {
            segment: (image) => Effect.provideService(segment(image), Transport, transport),
            classes: Effect.map(transport.describe, ({ classes }) => classes),
            health: transport.health
          },
          options
        )
        const checks = yield* ServiceHealth.make({
          service: "imageProcessing in this process",
          check: transport.health,
          unhealthyAfter: 1
        })
        return ImageProcessing.of({ ...images, state: checks.state })
      })
    )
}
