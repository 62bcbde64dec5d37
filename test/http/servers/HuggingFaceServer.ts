/** Hugging Face's `image-segmentation`, as an endpoint container has it. */
import * as Model from "./Model.ts"

export interface Segment {
  readonly label?: unknown
  readonly mask?: unknown
  readonly score?: unknown
}

/** One mask for each class present. */
export const answer = (map = Model.labels, score: unknown = 0.9): Array<Segment> =>
  [...new Set(map.data)].sort().map((id) => ({
    label: Model.classes[id]?.name ?? `LABEL_${id}`,
    mask: Model.base64(Model.maskPng(id, map)),
    ...(score === undefined ? {} : { score })
  }))

export const make = Model.serve({
  isPredict: ({ method }) => method === "POST",
  predict: ({ body, headers }, response) => {
    const isJson = headers["content-type"] === "application/json"
    const image = isJson ? Buffer.from(String(Model.jsonOf(body)["inputs"]), "base64") : body
    return Model.isTheImage(image)
      ? Model.sendJson(response, answer())
      : Model.sendJson(response, { error: "cannot identify image file" }, 400)
  },
  other: ({ path }, response, state) =>
    (path === "/health" || path === "/") && state.ready
      ? Model.sendText(response, "Ok")
      : Model.sendJson(response, { error: "Internal Server Error" }, path === "/health" ? 500 : 404)
})
