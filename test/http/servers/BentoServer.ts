/** A BentoML service with `def segment(self, image: PIL.Image.Image) -> PIL.Image.Image`. */
import * as Model from "./Model.ts"

export const make = Model.serve({
  isPredict: ({ path }) => path === "/segment",
  predict: async ({ body, headers }, response) => {
    const file = (await Model.formOf(body, headers)).files.get("image")
    return file !== undefined && Model.isTheImage(file.bytes)
      ? Model.sendPng(response, Model.greyPng())
      : Model.sendJson(response, "1 validation error for Input: image", 400)
  },
  other: ({ path }, response, state) =>
    path === "/readyz" || path === "/livez"
      ? Model.sendText(response, state.ready ? "\n" : "not ready", state.ready ? 200 : 503)
      : Model.sendText(response, "not found", 404)
})
