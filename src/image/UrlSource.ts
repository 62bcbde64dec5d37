/** An image on the web, fetched as a whole. */
import { Effect } from "effect"
import type { HttpClient } from "effect/http"
import type { PolicyError } from "../policy/PolicyError.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import * as BaseUrl from "../service/BaseUrl.ts"
import * as WebFile from "../service/WebFile.ts"
import { span, standard } from "../TelemetryNames.ts"
import type { Image, ImageLimits } from "./Image.ts"
import { type ImageError, ImageNotFound, ImageTooLarge } from "./ImageError.ts"
import { fromMemory } from "./ImageOpening.ts"

export const open = (
  href: string,
  source: string,
  name: string,
  limits: ImageLimits
): Effect.Effect<Image, ImageError | ServiceError | PolicyError, HttpClient.HttpClient> =>
  // As long as a picture, and not for messages.
  /^data:/i.test(href)
    ? BaseUrl.invalid("data:…", "its bytes stand in it. Decode them, and take those for the source")
    : WebFile.get(href, {
        accept: "image/*",
        limits: { maxBodyBytes: limits.maxBytes, maxDecodedBytes: limits.maxBytes }
      }).pipe(
        Effect.flatMap(({ body }) => fromMemory(source, name, body, limits)),
        Effect.catchTag("NotFound", () => Effect.fail(new ImageNotFound({ source }))),
        Effect.catchTag("ResponseTooLarge", (error) =>
          Effect.fail(
            new ImageTooLarge({ source, measure: "bytes", actual: error.limit + 1, limit: error.limit })
          )
        ),
        span("ImageSource.url", { [standard.url]: source })
      )
