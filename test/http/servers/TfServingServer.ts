/** TensorFlow Serving's REST API with a model that takes encoded images. */
import * as Model from "./Model.ts"

const rows = Model.logits.width
/** `[height, width, classes]`, as TensorFlow lays images out. */
export const nestedLogits = (): Array<Array<Array<number>>> =>
  Array.from({ length: Model.logits.height }, (_, y) =>
    Array.from({ length: rows }, (_, x) =>
      Array.from({ length: 3 }, (_, id) => Model.logits.data[(id * Model.logits.height + y) * rows + x]!)
    )
  )

export const answer = (logits: unknown = nestedLogits()) => ({ predictions: [logits] })

export const make = Model.serve({
  isPredict: ({ method }) => method === "POST",
  predict: ({ body, path }, response) => {
    if (path !== "/v1/models/segformer:predict") {
      return Model.sendJson(response, { error: `Servable not found for request: ${path}` }, 404)
    }
    const [instance] = Model.jsonOf(body)["instances"]
    return Model.isTheImage(Buffer.from(String(instance.b64), "base64"))
      ? Model.sendJson(response, answer())
      : Model.sendJson(response, { error: "Expected image (JPEG, PNG, or GIF), got unknown format" }, 400)
  },
  other: (_, response, state) =>
    Model.sendJson(response, {
      model_version_status: [
        {
          version: "1",
          state: state.ready ? "AVAILABLE" : "LOADING",
          status: { error_code: "OK", error_message: "" }
        }
      ]
    })
})
