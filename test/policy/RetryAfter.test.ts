import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { RetryAfter } from "effect-segformer/policy"
import fc from "fast-check"

const now = Date.parse("2026-01-01T00:00:00Z")
const millis = (headers: Record<string, string>) => {
  const wait = RetryAfter.fromHeaders(headers, now)
  return wait === undefined ? undefined : Duration.toMillis(wait)
}

describe("RetryAfter", () => {
  it.each([
    ["seconds", { "retry-after": "120" }, 120_000],
    ["seconds with a fraction", { "retry-after": "1.5" }, 1500],
    ["blanks around it", { "retry-after": "  3 " }, 3000],
    ["an HTTP date", { "retry-after": "Thu, 01 Jan 2026 00:00:05 GMT" }, 5000],
    ["an RFC 850 date", { "retry-after": "Thursday, 01-Jan-26 00:00:05 GMT" }, 5000],
    ["a date of asctime, which is UTC wherever one is", { "retry-after": "Thu Jan  1 00:00:05 2026" }, 5000],
    ["a date in UTC", { "retry-after": "Thu, 01 Jan 2026 00:00:05 UTC" }, 5000],
    ["a date in UT", { "retry-after": "Thu, 01 Jan 2026 00:00:05 UT" }, 5000],
    ["a date in Z", { "retry-after": "Thu, 01 Jan 2026 00:00:05 Z" }, 5000],
    ["a date with an offset of none", { "retry-after": "Thu, 01 Jan 2026 00:00:05 +0000" }, 5000],
    ["a date with an offset to the east", { "retry-after": "Thu, 01 Jan 2026 01:00:05 +0100" }, 5000],
    ["a date with an offset to the west", { "retry-after": "Wed, 31 Dec 2025 18:30:05 -05:30" }, 5000],
    ["a day of one digit", { "retry-after": "Thu, 1 Jan 2026 00:00:05 GMT" }, 5000],
    ["a day without a name", { "retry-after": "1 Jan 2026 00:00:05 +0000" }, 5000],
    ["small letters", { "retry-after": "thu, 1 jan 2026 00:00:05 gmt" }, 5000],
    ["a date without a zone", { "retry-after": "Thu, 01 Jan 2026 00:00:05" }, undefined],
    ["a date in a zone by another name", { "retry-after": "Thu, 01 Jan 2026 00:00:05 PST" }, undefined],
    ["an offset that there is not", { "retry-after": "Thu, 01 Jan 2026 00:00:05 +9900" }, undefined],
    ["an hour that there is not", { "retry-after": "Thu, 1 Jan 2026 25:00:05 UTC" }, undefined],
    ["a day of one digit that there is not", { "retry-after": "Thu, 0 Jan 2026 00:00:05 UTC" }, undefined],
    ["a month that there is not", { "retry-after": "Thu, 1 Foo 2026 00:00:05 UTC" }, undefined],
    ["a day that there is not", { "retry-after": "Tue, 31 Feb 2026 00:00:05 GMT" }, undefined],
    ["a date that has passed", { "retry-after": "Wed, 31 Dec 2025 23:59:00 GMT" }, 0],
    ["a negative number", { "retry-after": "-5" }, 0],
    ["zero", { "retry-after": "0" }, 0],
    ["milliseconds", { "retry-after-ms": "250" }, 250],
    ["milliseconds before seconds", { "retry-after": "9", "retry-after-ms": "250" }, 250],
    ["milliseconds that are none", { "retry-after": "9", "retry-after-ms": "x" }, 9000],
    ["more than a year", { "retry-after": "99999999999" }, 365 * 24 * 3600 * 1000],
    ["more digits than a number holds", { "retry-after": "9".repeat(400) }, undefined],
    ["a word", { "retry-after": "soon" }, undefined],
    ["a number with a unit", { "retry-after": "5s" }, undefined],
    ["twice the same", { "retry-after": "5, 5" }, 5000],
    ["the longest of several", { "retry-after": "5,10" }, 10_000],
    ["a time of ISO 8601", { "retry-after": "2026-01-01T01:00:05+01:00" }, 5000],
    ["a time of ISO 8601 without a zone", { "retry-after": "2026-01-01T00:00:05" }, undefined],
    ["seconds since 1970", { "retry-after": String(now / 1000 + 5) }, 5000],
    [
      "a billion seconds, which are no time of these years",
      { "retry-after": "1000000000" },
      365 * 86_400_000
    ],
    ["milliseconds since 1970", { "retry-after": String(now + 5000) }, 5000],
    ["milliseconds of Azure", { "retry-after": "9", "x-ms-retry-after-ms": "250" }, 250],
    ["hexadecimal", { "retry-after": "0x10" }, undefined],
    ["an exponent", { "retry-after": "1e3" }, undefined],
    ["two dates", { "retry-after": "Thu, 01 Jan 2026 00:00:05 GMT, Thu, 01 Jan 2026 00:00:09 GMT" }, 9000],
    ["seconds and a date", { "retry-after": "12, Thursday, 01-Jan-26 00:00:05 GMT" }, 12_000],
    ["a date and a word", { "retry-after": "Thu, 01 Jan 2026 00:00:05 GMT, Later, on" }, undefined],
    ["nothing", { "retry-after": "" }, undefined],
    ["no header", {}, undefined]
  ])("%s", (_, headers, expected) => {
    assert.strictEqual(millis(headers), expected)
  })

  it.each([
    [{ "ratelimit-reset": "7" }, 7000],
    [{ "x-ratelimit-reset": "7" }, 7000],
    [{ "x-ratelimit-reset": String(now / 1000 + 7) }, 7000],
    [{ "x-rate-limit-reset": "2026-01-01T00:00:07Z" }, 7000],
    [{ ratelimit: '"api";r=0;t=7' }, 7000],
    [{ ratelimit: '"burst";r=0;t=3, "day";r=0;t=7, "hour";r=5;t=99' }, 7000],
    [{ ratelimit: "limit=10, remaining=0, reset=7" }, 7000],
    [{ ratelimit: '"api";r=4;t=7' }, undefined],
    [{ "ratelimit-reset": "soon" }, undefined],
    [{}, undefined]
  ])("reads when a limit begins anew: %j", (headers, expected) => {
    const wait = RetryAfter.fromRateLimit(headers, now)
    assert.strictEqual(wait && Duration.toMillis(wait), expected)
  })

  it.each([
    ["an hour before ours", "Wed, 31 Dec 2025 23:00:00 GMT", "Wed, 31 Dec 2025 23:00:05 GMT"],
    ["an hour after ours", "Thu, 01 Jan 2026 01:00:00 GMT", "Thu, 01 Jan 2026 01:00:05 GMT"],
    ["as a count", "Thu, 01 Jan 2026 01:00:00 GMT", String(now / 1000 + 3605)],
    ["none that can be read", "yesterday", "Thu, 01 Jan 2026 00:00:05 GMT"]
  ])("compares a time with that of its service: %s", (_, date, value) => {
    assert.strictEqual(millis({ date, "retry-after": value }), 5000)
    const reset = RetryAfter.fromRateLimit({ date, "x-ratelimit-reset": value }, now)
    assert.strictEqual(reset && Duration.toMillis(reset), 5000)
  })

  it("compares it with a time as much later as a cache has kept the answer", () => {
    const date = "Wed, 31 Dec 2025 23:00:00 GMT"
    const aged = { date, age: "4", "retry-after": "Wed, 31 Dec 2025 23:00:05 GMT" }
    assert.strictEqual(millis(aged), 1000)
    assert.strictEqual(millis({ ...aged, age: "3600" }), 0)
    assert.strictEqual(millis({ ...aged, age: "-4" }), 5000)
    assert.strictEqual(millis({ date, "retry-after": "5" }), 5000)
  })

  it("never gives a negative or endless wait, whatever the header says", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const wait = millis({ "retry-after": value })
        assert.isTrue(wait === undefined || (wait >= 0 && Number.isFinite(wait)))
      })
    )
  })

  it("is never earlier than the seconds it states", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000 }), (seconds) => {
        assert.strictEqual(millis({ "retry-after": String(seconds) }), seconds * 1000)
      })
    )
  })
})
