/** Answers with masks, and what `Custom` reads in them for an image of 48 x 32 pixels. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Headers } from "effect/http"
import { ImageSource, type Prediction } from "effect-segformer"
import { Custom } from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"
import { encode } from "fast-png"

/** An answer of these bytes, or of a value as JSON. */
export const answer = (body: unknown) => ({
  service: "http://lab/predict",
  status: 200,
  headers: Headers.empty,
  requestId: "r1",
  body: body instanceof Uint8Array ? body : new TextEncoder().encode(JSON.stringify(body))
})

/** What is read in an answer of these bytes, or of a value as JSON. */
export const decode = (body: unknown, options: Custom.CustomOptions = {}) =>
  Effect.flatMap(ImageSource.bytes(Fixtures.image).open(), (image) =>
    Custom.make(options).decode(answer(body), image)
  )

export const labelsOf = (prediction: Prediction) => {
  if (prediction._tag !== "Labels") throw new Error(`expected labels, not ${prediction._tag}`)
  return prediction.labelMap
}

export const ids = (self: Effect.Effect<Prediction, unknown>) =>
  Effect.map(self, (prediction) => Array.from(labelsOf(prediction).data))

export const refused = (
  self: Effect.Effect<Prediction, { readonly _tag: string; readonly message: string }>
) =>
  Effect.map(Effect.flip(self), (error) => {
    assert.strictEqual(error._tag, "ResponseNotDecodable")
    return error.message
  })

export const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")
export const grey = (width: number, height: number, values: ReadonlyArray<number>) =>
  encode({ width, height, channels: 1, depth: 8, data: Uint8Array.from(values) })

/** How many parts of 48 of the map each class has. */
export const shares = (value: unknown) =>
  Effect.map(decode(value), (prediction) => {
    const { data } = labelsOf(prediction)
    const counts: Record<number, number> = {}
    for (const id of data) counts[id] = (counts[id] ?? 0) + 48 / data.length
    return Object.fromEntries(
      Object.entries(counts).map(([id, count]) => [id, Math.round(count * 1e6) / 1e6])
    )
  })

export const refusal = (value: unknown) => Effect.map(Effect.flip(decode(value)), (error) => error.message)

export const plane = (width: number, height: number, value: (x: number, y: number) => unknown) =>
  Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => value(x, y)))

/** The upper left quarter. */
export const quarter = (width: number, height: number, inside: unknown = 1, outside: unknown = 0) =>
  plane(width, height, (x, y) => (x < width / 2 && y < height / 2 ? inside : outside))
