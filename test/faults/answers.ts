/** Rows: answers that are wrong, statuses, and Retry-After. */
import assert from "node:assert/strict"
import { Duration } from "effect"
import { HuggingFace, Inspection, TfServing } from "effect-segformer/http"
import { ClassTable, Palette } from "effect-segformer/mask"
import { encode } from "fast-png"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { uploadAnswer } from "../http/servers/InspectionServer.ts"
import { ends, gaps } from "./expect.ts"
import { good, quick, type Scenario } from "./Harness.ts"

const notDecodable = (fault: string, answer: Faulty.Fault, field?: string): Scenario => ({
  fault,
  script: [answer],
  holds: (seen) => {
    ends("ResponseNotDecodable", 1)(seen)
    const [error] = seen.errors
    assert.ok(error?._tag === "ResponseNotDecodable" && error.excerpt.length <= 200, "at most 200 characters")
    if (field !== undefined) assert.match(error.message, new RegExp(field), "it names the field")
  }
})

/** A PNG header that states so many pixels. */
const hugePng = (() => {
  const bytes = Buffer.from(uploadAnswer().overlay_image, "base64")
  bytes.writeUInt32BE(40_000, 16)
  bytes.writeUInt32BE(40_000, 20)
  return bytes.toString("base64")
})()

export const answers: ReadonlyArray<Scenario> = [
  notDecodable("JSON cut off", Faulty.answer({ body: '{"success": true, "analysis_resul' })),
  notDecodable(
    "HTML with status 200",
    Faulty.answer({ body: `<html>${"sorry ".repeat(1000)}</html>`, headers: { "content-type": "text/html" } })
  ),
  notDecodable("nothing with status 200", Faulty.answer({ body: "" })),
  notDecodable("JSON of another shape", Faulty.json({ predictions: [1, 2, 3] })),
  notDecodable(
    "a number where a list belongs",
    Faulty.json(uploadAnswer({ analysis_results: { image_shape: { height: 32, width: 48 }, classes: 7 } })),
    "analysis_results"
  ),
  ...["%%%%", Buffer.from("no png").toString("base64")].flatMap((picture): ReadonlyArray<Scenario> => {
    const what = picture === "%%%%" ? "base64 that is none" : "a PNG that is none"
    return [
      {
        fault: `${what}, as the mask`,
        script: [Faulty.json(uploadAnswer({ mask_image: picture }))],
        http: { protocol: Inspection.make({ palette: Palette.surface }) },
        holds: (seen) => {
          ends("ResponseNotDecodable", 1)(seen)
          assert.match(seen.errors[0]?.message ?? "", /mask_image/, "it names the field")
        }
      },
      // What was found is there, and was paid for.
      {
        fault: `${what}, beside what was found`,
        script: [Faulty.json(uploadAnswer({ overlay_image: picture }))],
        holds: ends("success", 1)
      }
    ]
  }),
  {
    fault: "a PNG that says 1.6 billion pixels",
    script: [Faulty.json(uploadAnswer({ mask_image: hugePng }))],
    http: { protocol: Inspection.make({ palette: Palette.surface }) },
    holds: (seen) => ends("ResponseNotDecodable", 1)(seen)
  },
  {
    fault: "the service says that it failed",
    script: [Faulty.json({ success: false, error: "no light" })],
    holds: ends("ReportedFailure", 1)
  }
]

/** A grey PNG in base64, as a mask of Hugging Face's protocol. */
const maskOf = (width: number, height: number) => {
  const data = new Uint8Array(width * height).fill(255)
  return Buffer.from(encode({ width, height, channels: 1, depth: 8, data })).toString("base64")
}

const hugging = { protocol: HuggingFace.make() }
const serving = (options: Partial<TfServing.TfServingOptions> = {}) => ({
  protocol: TfServing.make({ model: "segformer", ...options })
})
const logits = { output: "logits", mask: { as: "logits" } } as const

export const dialects: ReadonlyArray<Scenario> = [
  {
    fault: "score: null",
    script: [Faulty.json([{ label: "wall", score: null, mask: maskOf(48, 32) }])],
    http: hugging,
    holds: ends("success", 1)
  },
  {
    ...notDecodable(
      "a mask of another size than the others",
      Faulty.json([
        { label: "wall", score: 1, mask: maskOf(48, 32) },
        { label: "sky", score: 1, mask: maskOf(10, 10) }
      ]),
      "mask"
    ),
    http: hugging
  },
  {
    ...notDecodable(
      "logits that are NaN",
      Faulty.answer({ body: '{"predictions": [[[[0.5, NaN]], [[1, 2]]]]}' })
    ),
    http: serving(logits)
  },
  {
    ...notDecodable(
      "logits of which a row is short",
      Faulty.json({
        predictions: [
          [
            [[1, 2], [3]],
            [
              [1, 2],
              [3, 4]
            ]
          ]
        ]
      })
    ),
    http: serving(logits)
  },
  ...(
    [
      ["a class id that is negative", -1],
      ["a class id that is no whole number", 1.5],
      ["a class id that the model does not have", 2]
    ] as const
  ).map(([fault, id]): Scenario => ({
    ...notDecodable(fault, Faulty.json({ predictions: [[[0, id]]] })),
    http: serving({ mask: { as: "ids" }, classes: ClassTable.fromNames(["wall", "sky"]) })
  }))
]

export const statuses: ReadonlyArray<Scenario> = [
  ...(
    [
      [503, "ServiceUnavailable", 4],
      [502, "ServiceUnavailable", 4],
      [500, "ServiceFailed", 4],
      [429, "RateLimited", 4],
      [408, "RequestRejected", 4],
      [400, "RequestRejected", 1],
      [401, "Unauthorized", 1],
      [404, "NotFound", 1]
    ] as const
  ).map(([status, tag, expected]): Scenario => ({
    fault: `${status} for ever`,
    script: [Faulty.refuse(status)],
    holds: ends(tag, expected)
  })),
  {
    fault: "500 for ever, where 5xx are not to be retried",
    script: [Faulty.refuse(500)],
    http: { policy: { ...quick, retry: { ...quick.retry, serverErrors: false } } },
    holds: ends("ServiceFailed", 1)
  }
]

const later = (millis: number) => new Date(Date.now() + millis).toUTCString()

export const retryAfter: ReadonlyArray<Scenario> = [
  {
    fault: "429, Retry-After: 1",
    script: [Faulty.refuse(429, "1"), good],
    holds: (seen) => {
      ends("success", 2)(seen)
      assert.ok(gaps(seen)[0]! >= 1000, `came after ${gaps(seen)[0]} ms`)
    }
  },
  {
    fault: "503, Retry-After: a date in 2 s",
    script: ({ index }) => (index === 0 ? Faulty.refuse(503, later(2000)) : good),
    holds: (seen) => {
      ends("success", 2)(seen)
      // A date has whole seconds: it may be up to one sooner than the two seconds from now.
      assert.ok(gaps(seen)[0]! >= 950, `came after ${gaps(seen)[0]} ms`)
    }
  },
  {
    fault: "429, retry-after-ms: 400",
    script: [Faulty.answer({ status: 429, headers: { "retry-after-ms": "400" } }), good],
    holds: (seen) => {
      ends("success", 2)(seen)
      assert.ok(gaps(seen)[0]! >= 400, `came after ${gaps(seen)[0]} ms`)
    }
  },
  ...(
    [
      ["in the past", later(-3_600_000)],
      ["soon", "soon"]
    ] as const
  ).map(([name, value]): Scenario => ({
    fault: `503, Retry-After: ${name}`,
    script: [Faulty.refuse(503, value), good],
    holds: ends("success", 2)
  })),
  {
    fault: "429, Retry-After: a day",
    script: [Faulty.refuse(429, "86400"), good],
    holds: (seen) => {
      ends("RateLimited", 1)(seen)
      const [error] = seen.errors
      assert.ok(error?._tag === "RateLimited" && error.retryAfter !== undefined)
      assert.equal(Duration.toHours(error.retryAfter), 24)
    }
  }
]
