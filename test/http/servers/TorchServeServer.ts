/** TorchServe with a handler that gives a nested array of class ids. */
import * as Model from "./Model.ts"

export const make = Model.serve({
  isPredict: ({ path }) => path.startsWith("/predictions/"),
  predict: async ({ body, headers, path }, response) => {
    if (path !== "/predictions/segformer" && path !== "/predictions/segformer/2.0") {
      const message = "Model not found"
      return Model.sendJson(response, { code: 404, type: "ModelNotFoundException", message }, 404)
    }
    const isForm = headers["content-type"]?.startsWith("multipart/form-data") === true
    const image = isForm ? (await Model.formOf(body, headers)).files.get("data")?.bytes : body
    return image !== undefined && Model.isTheImage(image)
      ? Model.sendJson(response, Model.nested())
      : Model.sendJson(
          response,
          { code: 503, type: "InternalServerException", message: "Prediction failed" },
          503
        )
  },
  other: ({ path }, response, state) =>
    path === "/ping"
      ? Model.sendJson(response, { status: state.ready ? "Healthy" : "Unhealthy" }, state.ready ? 200 : 500)
      : Model.sendJson(response, { code: 404, type: "ResourceNotFoundException", message: "no" }, 404)
})
