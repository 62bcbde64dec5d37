/** Somebody's Flask file: `POST /segment`, the part `file`, `{success, mask_b64, overlay_b64, elapsed_ms}`. */
import * as Model from "./Model.ts"

export const answer = (over: Record<string, unknown> = {}) => ({
  success: true,
  mask_b64: Model.base64(Model.greyPng()),
  overlay_b64: Model.base64(Model.image),
  elapsed_ms: 41.5,
  ...over
})

export const make = Model.serve({
  isPredict: ({ path }) => path === "/segment",
  predict: async ({ body, headers }, response) => {
    const { fields, files } = await Model.formOf(body, headers)
    if (fields.get("model") !== "b0")
      return Model.sendJson(response, { success: false, error: "no model" }, 400)
    const file = files.get("file")
    return file !== undefined && Model.isTheImage(file.bytes)
      ? Model.sendJson(response, answer())
      : Model.sendJson(response, { success: false, error: "No file part" }, 400)
  },
  other: ({ path }, response, state) =>
    path === "/health"
      ? Model.sendJson(response, { status: state.ready ? "ok" : "starting" }, state.ready ? 200 : 503)
      : Model.sendJson(response, { error: "not found" }, 404)
})
