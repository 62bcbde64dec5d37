/**
 * The inspection service: a Flask server on port 8080 that finds surface defects with SegFormer and answers with
 * rendered pictures and regions (`B30780/AOI_inference_agent`).
 *
 * Its pictures are bare base64 PNG. `mask_image` is a colour picture of an undocumented palette: with `palette` it
 * becomes a label map, without one it determines none. `segformer serve` says the palette in its answers.
 *
 * ```ts
 * import { Palette } from "effect-segformer/mask"
 * import { Inspection } from "effect-segformer/http"
 *
 * Inspection.make({ palette: Palette.surface }).name // => "inspection"
 * ```
 */
import { Effect } from "effect"
import type { Image } from "../../image/ImageSource.ts"
import { type ImageError, ImageTooLarge, UnsupportedImage } from "../../image/ImageError.ts"
import type { ImageFormat } from "../../image/ImageFormat.ts"
import type { Palette } from "../../mask/Palette.ts"
import type { Prediction } from "../../Prediction.ts"
import type { Answer } from "../../service/Exchange.ts"
import * as Multipart from "../../service/Multipart.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import { maxPixels } from "../MaskLimits.ts"
import * as ImagePart from "./ImagePart.ts"
import type { Batch } from "./InspectionReading.ts"
import type { Protocol } from "./Protocol.ts"
import { lazily } from "../../service/CodeNotLoaded.ts"

export type { Batch, BatchItem } from "./InspectionReading.ts"

/** What the service takes: it looks at the ending of the file name. @internal */
export const formats: ReadonlySet<ImageFormat> = new Set<ImageFormat>(["png", "jpeg", "bmp", "tiff"])

/** Its limit on the body of an upload, in bytes. */
const maxUpload = 50 * 1024 * 1024

/** The part of a form that carries an image. */
const imagePart = (name: string, image: Image, fileName: string): Effect.Effect<Multipart.Part, ImageError> =>
  Effect.suspend((): Effect.Effect<Multipart.Part, ImageError> => {
    if (!formats.has(image.format)) {
      const detail = "the inspection service takes PNG, JPEG, BMP and TIFF. Convert it first"
      return Effect.fail(new UnsupportedImage({ source: image.source, format: image.format, detail }))
    }
    return ImagePart.part(name, image, maxUpload, fileName)
  })

/** A form with images under one part name. */
export const encodeForm = (
  part: string,
  path: string,
  images: ReadonlyArray<Image>,
  /** Gets the image's name for each that is sent. */
  sentAs?: Map<string, string>
) =>
  Effect.flatMap(
    Effect.forEach(images, (image) => {
      const fileName = ImagePart.uploadName(image.name)
      sentAs?.set(fileName, image.name)
      return imagePart(part, image, fileName)
    }),
    (parts) => {
      const body = Multipart.form(parts)
      const actual = body._tag === "Form" ? body.length : (body.contentLength ?? 0)
      // The limit is that of the body, which is more than its files: over it the service answers 500, when all of it has come.
      return actual > maxUpload
        ? Effect.fail(
            new ImageTooLarge({
              source: images.map(({ source }) => source).join(", "),
              measure: "bytes",
              actual,
              limit: maxUpload,
              by: "a request to this service"
            })
          )
        : Effect.succeed({ method: "POST", path, body } as const)
    }
  )

/** Loaded with the first answer. */
const reading = lazily(() => import("./InspectionReading.ts"))

/** Fails where the service says `success: false`, whatever the rest of its answer looks like. */
export const refuseReported = (answer: Answer): Effect.Effect<void, ServiceError> =>
  Effect.flatMap(reading, ({ refuseReported }) => refuseReported(answer))

/** The prediction in an answer of `/upload`: a label map with a palette, what the service rendered without one. */
export const decode = (
  answer: Answer,
  palette?: Palette,
  limit?: number
): Effect.Effect<Prediction, ServiceError> =>
  Effect.flatMap(reading, ({ decode }) => decode(answer, palette, limit))

/** The results in an answer of `/upload/batch`. */
export const decodeBatchAnswer = (answer: Answer, palette?: Palette): Effect.Effect<Batch, ServiceError> =>
  Effect.flatMap(reading, ({ decodeBatchAnswer }) => decodeBatchAnswer(answer, palette))

export interface InspectionOptions {
  /**
   * The colours in which the service paints `mask_image`, each of one class: the mask becomes a label map, and a
   * colour that is none of them is `ResponseNotDecodable`. The palette's names then go before the service's.
   */
  readonly palette?: Palette | undefined
}

/** The inspection service's protocol. */
export const make = (options: InspectionOptions = {}): Protocol => ({
  name: "inspection",
  encode: (image) => encodeForm("image", "/upload", [image]),
  decode: (answer, image) => decode(answer, options.palette, maxPixels(image)),
  readError: (answer) => Effect.map(reading, ({ readError }) => readError(answer)),
  entry: { method: "POST", path: "/upload" },
  health: {
    call: { method: "GET", path: "/health" },
    read: (answer) => Effect.flatMap(reading, ({ health }) => health(answer))
  },
  describe: {
    call: { method: "GET", path: "/api/model/current" },
    read: (answer) => Effect.flatMap(reading, ({ model }) => model(answer))
  }
})

/** The protocol without a palette: answers hold what the service rendered, and no label map. */
export const protocol: Protocol = make()
