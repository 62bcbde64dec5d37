/**
 * Image processing by a service: detect faces, crop around them, process a batch, compose a sheet.
 *
 *     PYTHON_SERVICE_URL=http://localhost:8000 npm run example docs/examples/detect-crop-batch-sheet.ts a.jpg b.jpg
 *
 * The service may be `segformer serve --protocol imageprocessing --pictures FOLDER`: classes that its model lacks are a
 * warning. PYTHON_SERVICE_MAX_CONNECTIONS bounds its connections, HEALTH_CHECK_INTERVAL is between two checks of its health.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { ImageProcessing } from "effect-segformer/companions"
import { Exchange, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"

const [, , first = "a.jpg", ...others] = process.argv
const target_aspect_ratio = { width: 4, height: 5 }

const program = Effect.gen(function* () {
  const images = yield* ImageProcessing
  yield* Console.log(`The service is ${(yield* images.health).status}`)

  const detection_results = yield* images.detect({
    image_path: first,
    detection_types: ["face"],
    confidence_threshold: 0.5
  })
  yield* Console.log(`${detection_results.length} face(s) in ${first}`)

  const { final_dimensions } = yield* images.crop({
    image_path: first,
    target_aspect_ratio,
    detection_results,
    crop_strategy: "center_faces"
  })
  yield* Console.log(`Cropped to ${final_dimensions.width} x ${final_dimensions.height}`)

  const { failed_images, processed_images } = yield* images.batch({
    images: [first, ...others],
    processing_options: { target_aspect_ratio, crop_strategy: "center_faces", detection_types: ["face"] }
  })
  for (const { error, path } of failed_images) yield* Console.log(`${path} failed: ${error}`)

  const [one, ...more] = processed_images.map(({ processed_path }) => processed_path)
  if (one === undefined) return
  const { dimensions, format } = yield* images.sheet({
    processed_images: [one, ...more],
    grid_layout: { rows: 2, columns: 2 },
    sheet_orientation: "portrait",
    output_format: "image"
  })
  yield* Console.log(
    `A sheet of ${processed_images.length}: ${format}, ${dimensions.width} x ${dimensions.height}`
  )
})

const service = ImageProcessing.layerHttp().pipe(Layer.provide([ServiceRegistry.layer(), NodeHttp.layer()]))

program.pipe(
  Effect.provide(service),
  Effect.provideService(Exchange.LogRequests, "debug"),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
