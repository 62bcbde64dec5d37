import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import * as S from "effect-segformer"

const at = { service: "http://127.0.0.1:8080/upload", requestId: "r1" }
const answer = { ...at, status: 500, detail: "out of memory" }
const retryAfter = Duration.seconds(7)

/** One of each: adding a tag to the union without an example here fails below. */
const examples: ReadonlyArray<S.SegmentationError> = [
  new S.ImageNotFound({ source: "a.png" }),
  new S.ImageNotReadable({ source: "a.png", detail: "it is a folder" }),
  new S.ImageTooLarge({ source: "a.png", measure: "pixels", actual: 900_000_000, limit: 100_000_000 }),
  new S.NotAnImage({ source: "a.png", detail: "it is empty" }),
  new S.UnsupportedImage({ source: "a.webp", format: "webp", detail: "convert it first" }),
  new S.DependencyMissing({
    packages: ["sharp", "onnxruntime-node"],
    purpose: "Decoding images",
    detail: "not found"
  }),
  new S.InvalidUrl({ url: "htp:/x", detail: "write it whole" }),
  new S.ConnectionFailed({ ...at, code: "ECONNREFUSED", phase: "sending", sent: "no", detail: "refused" }),
  new S.RateLimited({ ...answer, status: 429, retryAfter }),
  new S.ServiceUnavailable({ ...answer, status: 503, retryAfter }),
  new S.ModelLoading({ ...answer, status: 503, retryAfter }),
  new S.Unauthorized({ ...answer, status: 401 }),
  new S.NotFound({ ...answer, status: 404 }),
  new S.RequestRejected({ ...answer, status: 422 }),
  new S.ServiceFailed({ ...answer }),
  new S.ReportedFailure({ ...answer, status: 200 }),
  new S.ResponseNotDecodable({ ...at, status: 200, path: "a.b", detail: "Expected number", excerpt: '"x"' }),
  new S.ResponseTooLarge({ ...at, stage: "decompressed", limit: 10 }),
  new S.CodeNotLoaded({ detail: "TypeError: Failed to fetch dynamically imported module: http://host/a.js" }),
  new S.RedirectRefused({ ...at, status: 302, location: "http://evil/", detail: "not followed" }),
  new S.TimedOut({ ...at, kind: "attempt", phase: "receiving", after: Duration.seconds(30), attempt: 2 }),
  new S.QueueFull({ service: at.service, concurrency: 10, queue: 1000 }),
  new S.CircuitOpen({ service: at.service, retryAfter }),
  new S.RetryBudgetSpent({ service: at.service, failure: "it failed" }),
  new S.MaskNotDecodable({ mask: "mask 1", detail: "no PNG" }),
  new S.NoLabelMap({ source: "a.png", transport: at.service, requestId: "r1" }),
  new S.ModelNotLoadable({ model: "b0", detail: "no config.json" }),
  new S.InferenceFailed({ model: "b0", source: "a.png", detail: "shape" }),
  new S.JobCancelled({ service: at.service, jobId: "j1", detail: "" }),
  new S.JobFailed({ service: at.service, jobId: "j1", code: "OUT_OF_MEMORY", detail: "too large" }),
  new S.UnknownJobStatus({ service: at.service, jobId: "j1", jobStatus: "hibernating" })
]

/** What each example says of itself: what it concerns, whether another attempt may help, whether a later call may. */
const sayings: Readonly<Record<S.SegmentationError["_tag"], readonly [S.Concern, boolean, boolean]>> = {
  ImageNotFound: ["image", false, false],
  ImageNotReadable: ["image", false, false],
  ImageTooLarge: ["image", false, false],
  NotAnImage: ["image", false, false],
  UnsupportedImage: ["image", false, false],
  DependencyMissing: ["caller", false, false],
  InvalidUrl: ["caller", false, false],
  ConnectionFailed: ["service", true, true],
  RateLimited: ["service", true, true],
  ServiceUnavailable: ["service", true, true],
  ModelLoading: ["service", true, true],
  Unauthorized: ["caller", false, false],
  NotFound: ["service", false, false],
  RequestRejected: ["service", false, false],
  ServiceFailed: ["service", true, true],
  ReportedFailure: ["service", false, false],
  ResponseNotDecodable: ["service", false, false],
  ResponseTooLarge: ["service", false, false],
  RedirectRefused: ["service", false, false],
  CodeNotLoaded: ["caller", false, false],
  TimedOut: ["service", true, true],
  QueueFull: ["caller", false, true],
  CircuitOpen: ["service", false, true],
  RetryBudgetSpent: ["service", false, true],
  MaskNotDecodable: ["service", false, false],
  NoLabelMap: ["service", false, false],
  ModelNotLoadable: ["model", false, false],
  InferenceFailed: ["model", false, false],
  JobCancelled: ["service", false, false],
  JobFailed: ["service", false, false],
  UnknownJobStatus: ["service", false, false]
}

describe("SegmentationError", () => {
  it("has an example of every tag here", () => {
    const tags = S.SegmentationError.members.map((member) => member.identifier)
    assert.deepStrictEqual(examples.map((error) => error._tag).sort(), [...new Set(tags)].sort())
    assert.strictEqual(new Set(tags).size, tags.length)
  })

  it.each(examples)("$_tag survives a round trip through its schema as JSON", (error) => {
    const codec = Schema.toCodecJson(S.SegmentationError)
    const json = JSON.parse(JSON.stringify(Schema.encodeSync(codec)(error)))
    const back = Schema.decodeSync(codec)(json)
    assert.strictEqual(back._tag, error._tag)
    assert.strictEqual(back.constructor, error.constructor)
    assert.strictEqual(back.message, error.message)
    assert.deepStrictEqual(Schema.encodeSync(codec)(back), Schema.encodeSync(codec)(error))
  })

  it.each(examples)("$_tag has a message that names its subject, on one line, without a stack", (error) => {
    assert.isAbove(error.message.length, 20)
    assert.notInclude(error.message, "\n")
    assert.notInclude(error.message, "undefined")
    assert.notMatch(error.message, /\[object /)
  })

  it.each(examples)(
    "$_tag says what it concerns, and whether another attempt or a later call may help",
    (error) => {
      const { concerns, isRetryable, isTransient } = error
      assert.deepStrictEqual([concerns, isRetryable, isTransient], sayings[error._tag])
    }
  )

  it("what a service says of the image by its status concerns the image", () => {
    const rejected = (status: number) => new S.RequestRejected({ ...answer, status }).concerns
    assert.deepStrictEqual([400, 413, 415, 422].map(rejected), ["service", "image", "image", "service"])
  })

  it("a deadline that has passed is not retried, nor a certificate or a name that no retry mends, while 408 and 425 are", () => {
    const tooLate = new S.TimedOut({
      ...at,
      kind: "deadline",
      phase: "queued",
      after: retryAfter,
      attempt: 1
    })
    assert.deepStrictEqual([tooLate.isRetryable, tooLate.isTransient], [false, false])
    const untrusted = {
      ...at,
      code: "CERT_HAS_EXPIRED",
      phase: "sending",
      sent: "maybe",
      detail: ""
    } as const
    assert.isFalse(new S.ConnectionFailed(untrusted).isRetryable)
    assert.isFalse(new S.ConnectionFailed(untrusted).isTransient)
    assert.isFalse(new S.ConnectionFailed({ ...untrusted, code: "ENOTFOUND", sent: "no" }).isRetryable)
    assert.isTrue(new S.ConnectionFailed({ ...untrusted, code: "EAI_AGAIN", sent: "no" }).isRetryable)
    assert.isTrue(new S.RequestRejected({ ...answer, status: 408 }).isRetryable)
    assert.isTrue(new S.RequestRejected({ ...answer, status: 425 }).isRetryable)
  })
})
