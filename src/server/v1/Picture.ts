/** An image as browsers show it: the pixels that a model would see, as a PNG. */
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { bytes } from "../../image/ImageSource.ts"
import type { Served, Upload } from "../Dialect.ts"
import { fromError, type Refusal } from "../Refusal.ts"

/** The answer, made when its turn comes. */
export const make = (
  { codec, limits, work }: Pick<Served, "codec" | "limits" | "work">,
  image: Upload
): Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal> =>
  bytes(image.bytes, { name: image.name })
    .open(limits)
    .pipe(
      Effect.flatMap((opened) => codec.decode(opened)),
      Effect.flatMap((raster) => codec.encode(raster, "png")),
      Effect.mapError(fromError),
      work,
      Effect.map((png) => HttpServerResponse.uint8Array(png, { contentType: "image/png" }))
    )
