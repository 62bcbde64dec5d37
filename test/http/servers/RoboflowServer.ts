/** Roboflow's inference server: `POST /infer/semantic_segmentation`. */
import * as Model from "./Model.ts"

export const answer = (over: Record<string, unknown> = {}) => ({
  image: { width: Model.width, height: Model.height },
  predictions: {
    segmentation_mask: Model.base64(Model.greyPng()),
    class_map: { 0: "background", 1: "particle", 2: "scratch" },
    confidence_mask: Model.base64(Model.greyPng({ ...Model.labels, data: Model.labels.data.map(() => 204) })),
    ...over
  },
  time: 0.125,
  inference_id: "inf-1"
})

export const key = "rf-key-9f31"

export const make = Model.serve({
  isPredict: ({ path }) => path === "/infer/semantic_segmentation",
  predict: ({ body }, response) => {
    const { api_key, image, model_id } = Model.jsonOf(body)
    if (api_key !== key) return Model.sendJson(response, { message: `Unauthorized api_key ${api_key}` }, 401)
    if (model_id !== "panels/3") return Model.sendJson(response, { message: "no such model" }, 404)
    return image?.type === "base64" && Model.isTheImage(Buffer.from(image.value, "base64"))
      ? Model.sendJson(response, answer())
      : Model.sendJson(response, { message: "Could not decode image" }, 400)
  },
  other: ({ path }, response, state) =>
    path === "/readiness"
      ? Model.sendJson(response, { status: state.ready ? "ready" : "not ready" }, state.ready ? 200 : 503)
      : Model.sendJson(response, { message: "Not found" }, 404)
})
