/** The inspection service with the model of these tests: its mask is painted in the colours of a palette. */
import { encode } from "fast-png"
import { Palette } from "effect-segformer/mask"
import * as InspectionServer from "./InspectionServer.ts"
import * as Model from "./Model.ts"

/** The label map in colours; an id without one is magenta. */
export const colorPng = (map = Model.labels): Buffer => {
  const data = Uint8Array.from(
    Array.from(map.data).flatMap((id) => [...(Palette.surface.slice(0, 3)[id]?.color ?? [255, 0, 255])])
  )
  return Buffer.from(encode({ width: map.width, height: map.height, channels: 3, depth: 8, data }))
}

export const answer = (mask_image: unknown = Model.base64(colorPng())) =>
  InspectionServer.uploadAnswer({ mask_image })

export const make = Model.serve({
  isPredict: ({ path }) => path.startsWith("/upload"),
  predict: async ({ body, headers }, response) => {
    const file = (await Model.formOf(body, headers)).files.get("image")
    return file !== undefined && Model.isTheImage(file.bytes)
      ? Model.sendJson(response, answer())
      : Model.sendJson(response, { success: false, error: "No image file provided" }, 400)
  },
  other: ({ path }, response, state) =>
    path === "/health"
      ? Model.sendJson(response, { status: "ok", model_loaded: state.ready, device: "cpu" })
      : Model.sendJson(response, { success: true, current_model: "segformer" })
})
