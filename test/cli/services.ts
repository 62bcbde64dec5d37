/** Services of kinds of their own, as `Service.test.ts` and `ServiceChain.test.ts` call them. */
import * as Model from "../http/servers/Model.ts"
import { type Handler, sendJson } from "../support/TestServer.ts"

const mask = Model.greyPng()
export const answer = { mask: Model.base64(mask) }

/** FastAPI with a part of its own name and no word of how it is. */
export const fastApi: Handler = ({ body, method, path }, response) => {
  if (path === "/openapi.json") {
    return sendJson(response, {
      openapi: "3.1.0",
      info: { title: "lab", version: "1" },
      paths: {
        "/api/login": { post: { requestBody: { content: { "application/x-www-form-urlencoded": {} } } } },
        "/api/segment": {
          post: {
            requestBody: {
              content: { "multipart/form-data": { schema: { $ref: "#/components/schemas/Body" } } }
            }
          }
        },
        "/healthz": { get: {} }
      },
      components: {
        schemas: {
          Body: {
            type: "object",
            required: ["upload", "model"],
            properties: {
              upload: { type: "string", format: "binary" },
              model: { type: "string", default: "b0" },
              threshold: { type: "number" }
            }
          }
        }
      }
    })
  }
  if (path === "/healthz") return sendJson(response, "fine")
  const text = body.toString("latin1")
  if (method === "POST" && path === "/api/segment") {
    return text.includes('name="upload"') && /name="model"\r\n\r\nb0/.test(text)
      ? sendJson(response, answer)
      : sendJson(response, { detail: [{ loc: ["body", "upload"], msg: "Field required" }] }, 422)
  }
  sendJson(response, { detail: "Not Found" }, 404)
}

/** The same, which has no route for a request without its part. */
export const strict: Handler = (request, response) =>
  request.path === "/api/segment" && !request.body.includes('name="upload"')
    ? sendJson(response, { detail: "Not Found" }, 404)
    : fastApi(request, response)

/** A gateway that knows no other route, and says it as if a token was missing. */
export const gateway =
  (status: number): Handler =>
  ({ method, path }, response) =>
    method === "POST" && path === "/predict"
      ? sendJson(response, answer)
      : sendJson(response, { message: "Missing Authentication Token" }, status)

/** JSON with base64, and a key in a header of its own. */
export const keyed: Handler = ({ body, headers, path }, response) => {
  if (path === "/openapi.json") {
    return sendJson(response, {
      openapi: "3.0.0",
      info: { title: "keyed" },
      security: [{ key: [] }],
      paths: {
        "/predict": {
          post: {
            requestBody: {
              content: {
                "application/json": {
                  schema: { type: "object", properties: { image_base64: { type: "string" } } }
                }
              }
            }
          }
        }
      },
      components: { securitySchemes: { key: { type: "apiKey", in: "header", name: "X-Lab-Key" } } }
    })
  }
  if (path !== "/predict") return sendJson(response, { detail: "Not Found" }, 404)
  if (headers["x-lab-key"] !== "hunter2-of-the-lab") return sendJson(response, { detail: "no key" }, 403)
  return body.includes("image_base64")
    ? sendJson(response, answer)
    : sendJson(response, { detail: [{ loc: ["body", "image_base64"], msg: "Field required" }] }, 422)
}
