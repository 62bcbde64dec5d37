/** The server's limits: what a program may say, and what the guide tells of the rest. */
import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { ByteSize, Cause, Duration, Effect, Exit } from "effect"
import { ServerLimits } from "effect-segformer/server"
import * as Limits from "../../src/server/ServerLimits.ts"
import { serve } from "./support.ts"

it("limits that are not given are the defaults, whether left out or undefined", () => {
  const given = Limits.make({ maxBytes: 1, timeout: "1 second", queue: undefined })
  assert.deepStrictEqual(given, { ...Limits.defaults, maxBytes: 1, timeout: Duration.seconds(1) })
})

it.effect("a limit that no server can have is told by name, and nothing listens", () =>
  Effect.gen(function* () {
    for (const [limit, wrong] of [
      ["maxBytes", 0],
      ["maxPixels", 1.5],
      ["concurrency", 0],
      ["queue", -1],
      ["maxHeldBytes", Number.NaN],
      ["timeout", -1],
      ["bodyTimeout", "Infinity"]
    ] as const) {
      const exit = yield* Effect.exit(serve(undefined, { [limit]: wrong }))
      const said = Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "nothing"
      assert.match(said, new RegExp(`^RangeError: SegFormerServer: a limit must be .* at \\["${limit}"\\]$`))
    }
  }).pipe(Effect.scoped)
)

it("an image, and the end of a server, may take as long as it takes", () => {
  const { drain, timeout } = Limits.make({ timeout: Duration.infinity, drain: "400 days" })
  assert.deepStrictEqual([timeout, drain], [Duration.infinity, Duration.days(400)])
})

it("routes may be stricter than their server, and not laxer", () => {
  const limits = Limits.make({ maxBytes: 100, maxImages: 5, concurrency: 3, timeout: "1 minute" })
  assert.deepStrictEqual(
    Limits.stricter(limits, { maxBytes: 50, maxImages: 10, concurrency: 1, timeout: "2 minutes" }),
    { ...limits, maxBytes: 50, concurrency: 1 }
  )
  assert.deepStrictEqual(Limits.stricter(limits, undefined), limits)
  assert.throws(() => Limits.stricter(limits, { concurrency: 0 }), /"concurrency"/)
})

it("the guide has each limit with its default", () => {
  const guide = readFileSync("docs/guides/serve.md", "utf8")
  const rows = Array.from(guide.matchAll(/^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$/gm), ([, name, , value]) => [
    name,
    value
  ])
  const told = (name: string, value: number | Duration.Duration): string =>
    typeof value !== "number"
      ? Duration.format(value)
      : name.endsWith("Bytes") && value > 0
        ? ByteSize.format(ByteSize.bytes(value))
        : value.toLocaleString("en")
  assert.deepStrictEqual(
    rows,
    Object.entries(Limits.defaults).map(([name, value]) => [name, told(name, value)])
  )
  assert.sameMembers(Object.keys(ServerLimits.fields), Object.keys(Limits.defaults))
})
