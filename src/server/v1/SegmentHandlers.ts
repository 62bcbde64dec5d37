/** `/v1/models` and `/v1/segment`, at work. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as Bodies from "../Bodies.ts"
import { bad } from "../Refusal.ts"
import { RequestId } from "../RequestId.ts"
import * as Uploads from "../Uploads.ts"
import * as Answer from "./Answer.ts"
import { SegFormerApi } from "./Api.ts"
import * as Models from "./Models.ts"
import { answered } from "./Refuse.ts"

export const layerModels = (models: Models.Models) =>
  HttpApiBuilder.group(SegFormerApi, "models", (handlers) =>
    handlers.handle("list", () =>
      Effect.map(Effect.forEach(models, Models.info, { concurrency: "unbounded" }), (models) => ({ models }))
    )
  )

export const layerSegment = (models: Models.Models) =>
  HttpApiBuilder.group(SegFormerApi, "segment", (handlers) =>
    handlers.handleRaw(
      "image",
      Effect.fnUntraced(function* ({ query, request }) {
        const asked = yield* Answer.asked(request.headers["accept"], query.include)
        const { name, served } = yield* Models.find(models, query.model)
        const requestId = yield* RequestId
        const image = yield* Bodies.takeImage(served, request, ["image", "file"], Uploads.isForm(request))
        if (image.bytes.length === 0 && !Uploads.isForm(request)) {
          return yield* bad("The body is empty: send the bytes of an image file")
        }
        const answer = yield* served.segment(image, (segmented) =>
          Answer.make(segmented, asked, { model: name, requestId })
        )
        return answer
      }, answered)
    )
  )
