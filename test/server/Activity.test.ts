/** Who wants to know what is done is told of every image, in whichever protocol it came. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Dialects } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { ask, form, jsonBody, serve, upload } from "./support.ts"

const inline = `data:image/png;base64,${Buffer.from(Fixtures.image).toString("base64")}`

describe("what callers do", () => {
  it.live("is told in every protocol, once a request, and not where it failed", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { url } = yield* serve(undefined, {
        dialects: yield* Dialects.load(["inspection", "huggingface", "cog", "imageprocessing", "tfserving"]),
        active: ({ action, resourceId, resourceType }) =>
          Effect.sync(() => void seen.push(`${action} ${resourceType} ${resourceId}`))
      })
      const id = (value: string) => ({ "x-request-id": value })
      const json = (body: unknown, value: string): RequestInit => {
        const { headers, ...rest } = jsonBody(body)
        return { ...rest, headers: { ...(headers as Record<string, string>), ...id(value) } }
      }
      yield* upload(url)
      yield* upload(url, new Uint8Array(9))
      yield* ask(`${url}/v1/segment`, {
        method: "POST",
        body: Uint8Array.from(Fixtures.image),
        headers: id("v1")
      })
      yield* ask(`${url}/`, json({ inputs: inline.split(",")[1] }, "hf"))
      yield* ask(`${url}/predictions`, json({ input: { image: inline } }, "cog"))
      yield* ask(
        `${url}/api/v1/crop`,
        json({ image_path: inline, target_aspect_ratio: { width: 1, height: 1 } }, "crop")
      )
      yield* ask(
        `${url}/api/v1/detect`,
        json({ image_path: inline, detection_types: ["particle"] }, "detect")
      )
      assert.match(seen[0] ?? "", /^segment image [\da-f]{32}$/)
      assert.deepStrictEqual(seen.slice(1), [
        "segment image v1",
        "segment image hf",
        "segment image cog",
        "crop image crop",
        "detect image detect"
      ])
    }).pipe(Effect.scoped)
  )

  /** A server of one token, and lines about what it does for whoever has that. */
  const watched = Effect.gen(function* () {
    const seen: Array<string> = []
    const { url } = yield* serve(undefined, {
      tokens: [Redacted.make("a-token")],
      active: ({ action, resourceId, user }) =>
        Effect.sync(() => void seen.push(`${user} ${action} ${resourceId}`))
    })
    return { seen, url }
  })
  const authorization = "Bearer a-token"

  it.live("is told of each image and whose it was", () =>
    Effect.gen(function* () {
      const { seen, url } = yield* watched
      const headers = { authorization, "x-request-id": "r-1", "content-type": "application/octet-stream" }
      for (const body of [new Uint8Array(Fixtures.image), new Uint8Array(9)])
        yield* ask(`${url}/v1/segment`, { method: "POST", headers, body })
      assert.strictEqual(seen.length, 1)
      assert.match(seen[0] ?? "", /^token [\da-f]{8} segment r-1$/)
    }).pipe(Effect.scoped)
  )

  it.live("is told of the images of a job too, with whose it is", () =>
    Effect.gen(function* () {
      const { seen, url } = yield* watched
      const { json } = yield* ask(`${url}/v1/jobs`, {
        ...form("image", ["a.png", Fixtures.image], ["b.png", Fixtures.image]),
        headers: { authorization }
      })
      yield* eventually(() => seen.length === 2)
      for (const line of seen)
        assert.match(line, new RegExp(`^token [\\da-f]{8} segment ${String(json["jobId"])}$`))
    }).pipe(Effect.scoped)
  )
})
