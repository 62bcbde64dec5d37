/** One contract, three ways to have it: in this process, behind routes of one's own, and as `segformer serve` offers it. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { PDFDocument } from "@cantoo/pdf-lib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { type Prediction, segment, ServiceUnavailable, Transport } from "effect-segformer"
import { ImageProcessing, PictureFiles } from "effect-segformer/companions"
import { ImageCodec, ImageSource } from "effect-segformer/image"
import { ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { SharpCodec } from "effect-segformer/sharp"
import { ClassTable } from "effect-segformer/mask"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import * as Objects from "../../src/companions/images/Objects.ts"
import * as ImageWarnings from "../../src/companions/ImageWarnings.ts"
import * as PdfLibModule from "../../src/companions/PdfLib.ts"
import { pictures, segmenter, routes, backends, quiet, square, particle, sizeOf } from "./images.ts"

describe.each(backends)("image processing %s", (_, backend) => {
  const test = <A, E>(
    name: string,
    body: (path: string) => Effect.Effect<A, E, ImageProcessing | Scope.Scope>
  ) =>
    it.live(name, () =>
      quiet(
        Effect.gen(function* () {
          const path = yield* pictures
          return yield* Effect.provide(body(path), yield* backend(path))
        })
      )
    )

  test("objects are the regions of the wanted classes", () =>
    Effect.gen(function* () {
      const images = yield* ImageProcessing
      const found = yield* images.detect({
        image_path: "panel.png",
        detection_types: ["scratch", "particle"],
        confidence_threshold: 0.5
      })
      assert.deepStrictEqual(
        found.map(({ type }) => type),
        ["particle", "scratch"]
      )
      assert.deepStrictEqual(found[0]!.bounding_box, particle)
      assert.strictEqual(found[0]!.confidence, 1)
      assert.deepStrictEqual(yield* images.detect({ image_path: "panel.png", detection_types: [] }), [])
    }))

  test("a crop has the aspect ratio, and keeps the objects", (path) =>
    Effect.gen(function* () {
      const images = yield* ImageProcessing
      const middle = yield* images.crop({ image_path: "panel.png", target_aspect_ratio: square })
      assert.deepStrictEqual(middle.crop_coordinates, { x: 8, y: 0, width: 32, height: 32 })
      const kept = yield* images.crop({
        image_path: "panel.png",
        target_aspect_ratio: { width: 1, height: 4 },
        crop_strategy: "center_faces",
        detection_results: [
          { type: "particle", confidence: 0.9, bounding_box: { x: 40, y: 1, width: 6, height: 6 } }
        ]
      })
      assert.deepStrictEqual(kept.crop_coordinates, { x: 39, y: 0, width: 8, height: 32 })
      assert.deepStrictEqual(kept.final_dimensions, { width: 8, height: 32 })
      assert.strictEqual(kept.original_path, "panel.png")
      assert.deepStrictEqual(yield* sizeOf(join(path, kept.processed_path)), ["png", 8, 32])
      // Without results it looks for objects itself: scratch and particle do not fit, and the particle is larger.
      const found = yield* images.crop({
        image_path: "panel.png",
        target_aspect_ratio: { width: 10, height: 32 },
        crop_strategy: "center_faces"
      })
      const { width, x } = found.crop_coordinates
      assert.isTrue(x <= particle.x && x + width >= particle.x + particle.width)
    }))

  test("a batch goes on where one image fails", () =>
    Effect.gen(function* () {
      const images = yield* ImageProcessing
      const { failed_images, processed_images } = yield* images.batch({
        images: ["panel.png", "notes.txt", "../panel.png", "missing.png", "panel.png"],
        processing_options: {
          target_aspect_ratio: square,
          crop_strategy: "center_faces",
          detection_types: ["particle"]
        }
      })
      assert.deepStrictEqual(
        processed_images.map(({ original_path }) => original_path),
        ["panel.png", "panel.png"]
      )
      assert.deepStrictEqual(
        failed_images.map(({ path }) => path),
        ["notes.txt", "../panel.png", "missing.png"]
      )
      assert.match(failed_images[0]!.error, /notes.txt is not an image/)
      assert.match(failed_images[1]!.error, /not below the folder/)
    }))

  test("a sheet of pictures is a PNG or a PDF", (path) =>
    Effect.gen(function* () {
      const images = yield* ImageProcessing
      const grid = { grid_layout: { rows: 2, columns: 2 }, sheet_orientation: "landscape" } as const
      const pictures = ["panel.png", "panel.png", "panel.png"] as const
      const png = yield* images.sheet({ processed_images: pictures, ...grid })
      assert.deepStrictEqual([png.format, png.dimensions], ["png", { width: 3508, height: 2480 }])
      assert.deepStrictEqual(yield* sizeOf(join(path, png.output_path)), ["png", 3508, 2480])
      const pdf = yield* images.sheet({ processed_images: pictures, ...grid, output_format: "pdf" })
      assert.deepStrictEqual([pdf.format, pdf.dimensions], ["pdf", { width: 842, height: 595 }])
      const document = yield* Effect.promise(() =>
        PDFDocument.load(readFileSync(join(path, pdf.output_path)), { updateMetadata: false })
      )
      assert.strictEqual(document.getPageCount(), 1)
      assert.deepStrictEqual(document.getPage(0).getSize(), { width: 842, height: 595 })
    }))

  test("what is wrong with a request is told by tag", () =>
    Effect.gen(function* () {
      const images = yield* ImageProcessing
      const fails = <A, E extends { readonly _tag: string }>(self: Effect.Effect<A, E>) => Effect.flip(self)
      const detect = (image_path: string, type = "particle") =>
        fails(images.detect({ image_path, detection_types: [type] }))
      assert.strictEqual((yield* detect("../panel.png"))._tag, "Forbidden")
      assert.include(["ResourceNotFound", "ImageNotFound"], (yield* detect("missing.png"))._tag)
      assert.include(["InputInvalid", "NotAnImage"], (yield* detect("notes.txt"))._tag)
      const full = yield* fails(
        images.sheet({
          processed_images: ["panel.png", "panel.png"],
          grid_layout: { rows: 1, columns: 1 },
          sheet_orientation: "portrait"
        })
      )
      assert.strictEqual(full._tag, "InputInvalid")
      assert.include(full.message, "2 pictures do not fit on a sheet of 1 x 1")
    }))

  test("it says how it is", () =>
    Effect.gen(function* () {
      const images = yield* ImageProcessing
      const { checks, status } = yield* images.health
      assert.deepStrictEqual([status, checks], ["healthy", { segmenter: true }])
    }))
})

describe("image processing in this process, by itself", () => {
  const known = Transport.layer({
    name: "test",
    predict: () => Effect.succeed(Fixtures.prediction),
    describe: Effect.succeed({ name: "test", classes: Fixtures.classes })
  })
  const panel = `data:image/png;base64,${Buffer.from(Fixtures.image).toString("base64")}`
  const inline = (transport = segmenter()) =>
    ImageProcessing.layerLocal().pipe(Layer.provide([transport, SharpCodec.layer, PictureFiles.layerInline]))

  it.live(
    "confidence is the mean of the region where the segmenter says it, else the score of its class",
    () =>
      quiet(
        Effect.gen(function* () {
          const confident = new Float32Array(48 * 32).fill(0.4)
          for (let y = 10; y < 19; y++) for (let x = 8; x < 17; x++) confident[y * 48 + x] = 0.75
          const detect = (prediction: Prediction, confidence_threshold = 0) =>
            Effect.gen(function* () {
              const images = yield* ImageProcessing
              const request = {
                image_path: panel,
                detection_types: ["particle", "scratch"],
                confidence_threshold
              }
              const found = yield* images.detect(request)
              return found.map(({ confidence, type }) => [type, Number(confidence.toFixed(3))])
            }).pipe(Effect.provide(inline(segmenter(prediction))))
          const confidence = { width: 48, height: 32, data: confident }
          assert.deepStrictEqual(yield* detect({ ...Fixtures.prediction, confidence }), [
            ["particle", 0.75],
            ["scratch", 0.4]
          ])
          assert.deepStrictEqual(yield* detect({ ...Fixtures.prediction, confidence }, 0.5), [
            ["particle", 0.75]
          ])
          const scores = new Map([
            [1, 0.9],
            [2, 0.3]
          ])
          assert.deepStrictEqual(yield* detect({ ...Fixtures.prediction, scores }), [
            ["particle", 0.9],
            ["scratch", 0.3]
          ])
        })
      )
  )

  it.live("a picture keeps its type and its transparency", () =>
    quiet(
      Effect.gen(function* () {
        const codec = yield* ImageCodec
        const images = yield* ImageProcessing
        const data = new Uint8Array(8 * 8 * 4).fill(128)
        for (const format of ["png", "webp", "jpeg"] as const) {
          const file = yield* codec.encode({ width: 8, height: 8, channels: 4, data }, format)
          const { processed_path } = yield* images.crop({
            image_path: `data:image/${format};base64,${Buffer.from(file).toString("base64")}`,
            target_aspect_ratio: { width: 1, height: 2 }
          })
          assert.isTrue(processed_path.startsWith(`data:image/${format};base64,`))
          const image = yield* ImageSource.bytes(Buffer.from(processed_path.split(",")[1]!, "base64")).open()
          const raster = yield* codec.decode(image, { channels: 4 })
          assert.deepStrictEqual([image.format, image.width, image.height], [format, 4, 8])
          assert.strictEqual(raster.data[3], format === "jpeg" ? 255 : 128)
        }
      }).pipe(Effect.provide([inline(), SharpCodec.layer]))
    )
  )

  it.live(
    "a class that the model does not have gives nothing and a warning, or is refused where that is asked",
    () =>
      quiet(
        Effect.gen(function* () {
          const images = yield* ImageProcessing
          const wanted = { image_path: panel, detection_types: ["dog", "particle"] }
          const [found, warnings] = yield* ImageWarnings.collect(images.detect(wanted))
          assert.deepStrictEqual(
            found.map(({ type }) => type),
            ["particle"]
          )
          const detail = 'The model has no class "dog". It has background, particle, scratch'
          assert.deepStrictEqual(warnings, [detail])
          const error = yield* Effect.flip(images.detect({ ...wanted, strict: true }))
          assert.deepInclude(error, { _tag: "InputInvalid", detail })
        }).pipe(Effect.provide([inline(known)]))
      )
  )

  it.live("background is no object, however it is written", () =>
    quiet(
      Effect.gen(function* () {
        const found = (name: string) => {
          const classes = ClassTable.fromNames([name, "particle", "scratch"])
          return segment(ImageSource.bytes(Fixtures.image)).pipe(
            Effect.flatMap((segmentation) => Objects.find(segmentation)),
            Effect.map((objects) => objects.map(({ type }) => type)),
            Effect.provide(segmenter({ ...Fixtures.prediction, classes }))
          )
        }
        assert.deepStrictEqual(yield* found("sky"), ["sky", "particle", "scratch"])
        for (const name of ["background", "_background_", "bg", "none"])
          assert.deepStrictEqual(yield* found(name), ["particle", "scratch"])
      })
    )
  )

  it.live("a PDF without its library names the command that installs it", () =>
    quiet(
      Effect.gen(function* () {
        const sheet = {
          processed_images: [panel],
          grid_layout: { rows: 1, columns: 1 },
          sheet_orientation: "portrait",
          output_format: "pdf"
        } as const
        const ask = Effect.flatMap(ImageProcessing, (images) => Effect.flip(images.sheet(sheet)))
        const without = yield* Effect.provide(ask, inline())
        assert.strictEqual(without._tag, "DependencyMissing")
        assert.include(without.message, "npm install @cantoo/pdf-lib")
        assert.include(without.message, "PdfLib.layer")

        const write = yield* PdfLibModule.make(() => Promise.reject(new Error("Cannot find package")))
        const error = yield* Effect.flip(write({ width: 1, height: 1, pictures: [] }))
        assert.strictEqual(error._tag, "DependencyMissing")
        assert.include(error.message, "(Cannot find package). Install it: npm install @cantoo/pdf-lib")
      })
    )
  )

  it.live("a segmenter that is down is its own error here, and 503 without details behind routes", () =>
    quiet(
      Effect.gen(function* () {
        const down = SegFormerTest.layer(
          () => Effect.fail(new ServiceUnavailable({ service: "http://inner:9", status: 503, detail: "no" })),
          { policy: { retry: false } }
        )
        const ask = Effect.flatMap(ImageProcessing, (images) =>
          Effect.flip(images.detect({ image_path: panel, detection_types: [] }))
        )
        assert.strictEqual((yield* Effect.provide(ask, inline(down)))._tag, "ServiceUnavailable")
        const url = yield* routes(inline(down))
        const registry = ServiceRegistry.layerOf({
          imageProcessing: { baseUrl: url, policy: { retry: false } }
        })
        const error = yield* Effect.provide(
          ask,
          ImageProcessing.layerHttp().pipe(Layer.provide([registry, NodeHttp.layer()]))
        )
        assert.strictEqual(error._tag, "CompanionUnavailable")
        assert.notInclude(error.message, "inner")
      })
    )
  )
})
