/**
 * The inspection service as its description has it, on a real socket: a stand-in for the Flask server, which knows
 * nothing of the library under test. It parses multipart by the platform's own `Response.formData`.
 */
import { Effect, type Scope } from "effect"
import { encode } from "fast-png"
import { http, sendJson, type TestServer } from "../../support/TestServer.ts"

export const png = (width: number, height: number, value = 128): string =>
  Buffer.from(
    encode({ width, height, channels: 3, depth: 8, data: new Uint8Array(width * height * 3).fill(value) })
  ).toString("base64")

export const region = {
  region_id: 1,
  centroid: { x: 12.5, y: 7.25 },
  bounding_box: { x: 10, y: 5, width: 6, height: 5 },
  area_pixels: 24,
  perimeter: 17.3,
  major_axis: 6.5,
  minor_axis: 4.1,
  circularity: 0.9,
  aspect_ratio: 1.58
}

/** A whole answer of `/upload`, whose fields a test may replace. */
export const uploadAnswer = (over: Record<string, unknown> = {}) => ({
  success: true,
  filename: "panel.png",
  overlay_image: png(48, 32),
  combined_image: png(96, 32),
  mask_image: png(48, 32, 0),
  total_defects: 1,
  processing_time: 0.25,
  analysis_results: {
    image_shape: { height: 32, width: 48 },
    classes: {
      "1_PI_Particle": { class_id: 1, total_regions: 1, total_area_pixels: 24, regions: [region] },
      "2_Scratch": { class_id: 2, total_regions: 0, total_area_pixels: 0, regions: [] }
    },
    performance: { processing_time_seconds: 0.25, timestamp: "20260101_000000" }
  },
  timestamp: "20260101_000000",
  ...over
})

export interface UploadedFile {
  readonly part: string
  readonly name: string
  readonly type: string
  readonly bytes: Uint8Array
}

export interface InspectionServer extends TestServer {
  readonly uploads: Array<UploadedFile>
  /** What the server is like now; a test may change it between requests. */
  readonly state: { modelLoaded: boolean; model: string }
}

export const make: Effect.Effect<InspectionServer, never, Scope.Scope> = Effect.gen(function* () {
  const uploads: Array<UploadedFile> = []
  const state = { modelLoaded: true, model: "segformer" }
  const server = yield* http(async ({ body, headers, method, path }, response) => {
    const route = `${method} ${path}`
    const files = async (part: string) => {
      const form = await new Response(Uint8Array.from(body), {
        headers: { "content-type": headers["content-type"] ?? "" }
      }).formData()
      const found: Array<UploadedFile> = []
      for (const entry of form.getAll(part)) {
        if (typeof entry === "string") continue
        found.push({
          part,
          name: entry.name,
          type: entry.type,
          bytes: new Uint8Array(await entry.arrayBuffer())
        })
      }
      uploads.push(...found)
      return found
    }
    const supported = (name: string) => /\.(png|jpe?g|bmp|tiff?)$/i.test(name)
    if (!state.modelLoaded && /^POST \/upload|^GET \/api\/model\/current/.test(route)) {
      return sendJson(response, { success: false, error: "Model not loaded" }, 503)
    }
    if (route === "POST /upload") {
      const [file] = await files("image")
      if (file === undefined)
        return sendJson(response, { success: false, error: "No image file provided" }, 400)
      if (!supported(file.name))
        return sendJson(response, { success: false, error: "File type not allowed" }, 400)
      return sendJson(response, uploadAnswer({ filename: file.name }))
    }
    if (route === "POST /upload/batch") {
      const images = await files("images")
      const { timestamp: _, ...one } = uploadAnswer()
      const results = images.map((file, index) =>
        file.name.startsWith("bad")
          ? { filename: file.name, success: false, error: "cannot identify image file", file_index: index }
          : { ...one, filename: file.name, file_index: index, output_dir: `/out/${index}` }
      )
      const failed = results.filter((result) => !result.success).length
      return sendJson(response, {
        success: true,
        total_images: results.length,
        processed: results.length - failed,
        failed,
        results,
        batch_id: "b1",
        total_processing_time: 0.5,
        summary_path: "/out/summary.json",
        timestamp: "20260101_000000"
      })
    }
    if (route === "GET /health") {
      return sendJson(response, {
        status: "ok",
        timestamp: "20260101_000000",
        model_loaded: state.modelLoaded,
        device: "cpu",
        cuda_available: false,
        system: "Linux"
      })
    }
    if (route === "GET /api/status") return sendJson(response, { uptime: 12, queue: 0 })
    if (route === "GET /api/model/current")
      return sendJson(response, { success: true, current_model: state.model })
    if (route === "GET /api/model/available")
      return sendJson(response, { models: ["segformer", "oneformer"] })
    if (route === "POST /api/model/switch") {
      const { model } = JSON.parse(body.toString())
      if (model !== "segformer" && model !== "oneformer") {
        return sendJson(response, { success: false, error: `Unknown model ${model}` }, 400)
      }
      state.model = model
      return sendJson(response, { success: true, message: "switched", current_model: model })
    }
    if (route === "GET /download/batch/b1") {
      response.writeHead(200, { "content-type": "application/zip" })
      return void response.end("PK-zip-bytes")
    }
    if (route === "GET /download/out/a%20b.png") {
      response.writeHead(200, { "content-type": "image/png" })
      return void response.end(Buffer.from(png(2, 2), "base64"))
    }
    if (path.startsWith("/download/")) return sendJson(response, { error: "File not found" }, 404)
    response
      .writeHead(404, { "content-type": "text/html" })
      .end("<!doctype html><title>404 Not Found</title>")
  })
  return { ...server, uploads, state }
})
