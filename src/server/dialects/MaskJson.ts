/**
 * An answer for protocols that leave its shape to whoever serves: the label map as one grey PNG whose pixels are class
 * ids, and the classes in it.
 */
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import type { HttpServerRequest } from "effect/http"
import * as Bodies from "../Bodies.ts"
import type { Served, Upload } from "../Dialect.ts"
import * as ClassScores from "../ClassScores.ts"
import * as JsonPieces from "../JsonPieces.ts"
import type { Refusal } from "../Refusal.ts"

/**
 * Segments an upload and answers `{width, height, classes: [{id, name}], present: [{id, name, pixels, score}], mask}`,
 * or with the PNG itself where the caller accepts nothing else.
 */
export const answer = (
  served: Served,
  request: HttpServerRequest.HttpServerRequest,
  upload: Upload
): Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal> =>
  Effect.map(
    served.segment(upload, (segmented) =>
      Effect.flatMap(ClassScores.make(segmented), (found) =>
        Effect.map(ClassScores.png(found), (png) => ({ found, png }))
      )
    ),
    ({ found, png }) => {
      if (Bodies.wantsPng(request)) return HttpServerResponse.uint8Array(png, { contentType: "image/png" })
      const { classes, labelMap, present } = found
      const head = JSON.stringify({
        width: labelMap.width,
        height: labelMap.height,
        classes: classes.map(({ id, name }) => ({ id, name })),
        present: present.map(({ id, name, pixels, score = null }) => ({ id, name, pixels, score }))
      })
      return JsonPieces.answer([`${head.slice(0, -1)},"mask":`, png, "}"])
    }
  )
