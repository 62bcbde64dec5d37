/** `/v1/models` and `/v1/segment`, at work. */
import { Effect, Schema } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as Bodies from "../Bodies.ts"
import type { Served } from "../Dialect.ts"
import { bad, noted, type Refusal } from "../Refusal.ts"
import { RequestId } from "../RequestId.ts"
import * as LargeJson from "../LargeJson.ts"
import * as Uploads from "../Uploads.ts"
import * as Answer from "./Answer.ts"
import { SegFormerApi } from "./Api.ts"
import * as Conversion from "./Conversion.ts"
import * as Models from "./Models.ts"
import * as Picture from "./Picture.ts"
import { answered, checkQuery } from "./Refuse.ts"

const one = Effect.fnUntraced(function* (
  served: Served,
  request: HttpServerRequest.HttpServerRequest,
  asked: Answer.Asked,
  about: Answer.About
) {
  const image = yield* Bodies.takeImage(served, request, ["image", "file"], Uploads.isForm(request))
  if (image.bytes.length === 0 && !Uploads.isForm(request)) {
    return yield* bad("The body is empty: send the bytes of an image file")
  }
  return yield* served.segment(image, (segmented) => Answer.make(segmented, asked, about))
})

/** What a model would see, for those who cannot read the file. */
const picture = Effect.fnUntraced(function* (
  models: Models.Models,
  request: HttpServerRequest.HttpServerRequest
) {
  const { served } = models[0]
  yield* checkQuery(request)
  const image = yield* Bodies.takeImage(served, request, ["image", "file"], Uploads.isForm(request))
  return yield* Picture.make(served, image)
})

/** The images of a form, as many at once as the server works on; one that fails says so in its place. */
const several = Effect.fnUntraced(function* (
  served: Served,
  request: HttpServerRequest.HttpServerRequest,
  asked: Answer.Asked,
  about: Answer.About
) {
  const images = yield* Bodies.takeFiles(served, request, ["image", "file"])
  const frames = yield* Effect.forEach(
    images,
    (image) =>
      served
        .segment(image, (segmented) => Answer.frame(segmented, asked, about))
        .pipe(Effect.catch((refusal) => Effect.as(noted(refusal), Answer.failedFrame(refusal)))),
    { concurrency: served.concurrency }
  )
  return Answer.frames(frames)
})

/** A label map that a caller has already. */
const decodeMap = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(Conversion.Body),
  "Send `classes` with ids and names, and `labels` with width, height, bits and deflate, as /v1/segment gives them"
)

const exported = Effect.fnUntraced(function* (
  models: Models.Models,
  request: HttpServerRequest.HttpServerRequest
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Refusal> {
  const { served } = models[0]
  yield* checkQuery(request)
  const asked = yield* Answer.asked(request.headers["accept"], undefined)
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const body = yield* Bodies.takeJson(served, request, served.limits.maxBytes)
      return yield* Conversion.make(served, yield* decodeMap(body), asked)
    })
  )
}, answered)

export const layerModels = (models: Models.Models) =>
  HttpApiBuilder.group(SegFormerApi, "models", (handlers) =>
    handlers.handle("list", () =>
      Effect.map(Effect.forEach(models, Models.info, { concurrency: "unbounded" }), (models) => ({
        models,
        formats: Answer.formats
      }))
    )
  )

export const layerSegment = (models: Models.Models) =>
  HttpApiBuilder.group(SegFormerApi, "segment", (handlers) =>
    handlers
      .handleRaw(
        "image",
        Effect.fnUntraced(function* ({ query, request }) {
          yield* checkQuery(request, "model", "include")
          const asked = yield* Answer.asked(request.headers["accept"], query.include)
          const { name, served } = yield* Models.find(models, query.model)
          const requestId = yield* RequestId
          const about = { model: name, requestId }
          return yield* Answer.takesMany(asked) && Uploads.isForm(request)
            ? several(served, request, asked, about)
            : one(served, request, asked, about)
        }, answered)
      )
      .handleRaw("export", ({ request }) => exported(models, request))
      .handleRaw("picture", ({ request }) => answered(Effect.scoped(picture(models, request))))
  )
