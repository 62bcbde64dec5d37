/** Errors of protocols that somebody else wrote, with a secret in them. */
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { CircuitOpen, MaskNotDecodable, RateLimited, ReportedFailure } from "effect-segformer"
import { cleaned } from "../../src/http/CleanedError.ts"

const secret = "hunter2-hunter2"
const hide = (text: string) => text.replaceAll(secret, "<hidden>")
const service = `http://${secret}.example`

describe("cleaned", () => {
  it("makes the error again, stack trace included, with all else that it said", () => {
    const error = new RateLimited({
      service,
      status: 429,
      detail: `not ${secret}`,
      code: secret,
      requestId: `id-${secret}`,
      retryAfter: Duration.seconds(7)
    })
    const found = cleaned(error, hide)
    assert.instanceOf(found, RateLimited)
    // Where we called is ours, and stays.
    assert.strictEqual(found.service, service)
    assert.deepStrictEqual(
      [found.status, found.detail, found.code, found.requestId, found.retryAfter],
      [429, "not <hidden>", "<hidden>", "id-<hidden>", Duration.seconds(7)]
    )
    assert.isTrue(found.isRetryable)
    assert.notInclude(String(found.stack).replaceAll(service, ""), secret)
  })

  it("leaves an error as it is that has none", () => {
    for (const error of [
      new ReportedFailure({ service, status: 200, detail: "no" }),
      new MaskNotDecodable({ mask: "a", detail: "b" }),
      new CircuitOpen({ service, failure: "before" })
    ])
      assert.strictEqual(cleaned(error, hide), error)
  })

  it("cleans what a subclass has, and leaves alone what nobody knows how to make", () => {
    class Mine extends ReportedFailure {}
    const fields = { service, status: 200, detail: secret }
    const mine = cleaned(new Mine(fields), hide)
    assert.instanceOf(mine, Mine)
    assert.strictEqual(mine.detail, "<hidden>")
    const foreign = Object.assign(new ReportedFailure(fields), { constructor: Error })
    assert.strictEqual(cleaned(foreign, hide), foreign)
  })
})
