/** What entries and programs cost stays within what docs/costs.md says, and the page says no more than it must. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as costs from "./costs.ts"

const bounds = costs.boundsIn(readFileSync(costs.path, "utf8"))
const anew = "run node -C effect-segformer-source test/docs/costs.ts, and say why in the change"

/** Within the bound, which is no more than twice as much. */
const within = (name: string, what: string, value: number, bound: number | undefined): void => {
  assert.isDefined(bound, `docs/costs.md has no row for ${name}: ${anew}`)
  assert.isAtMost(value, bound!, `${name}: ${what}; ${anew}`)
  assert.isAtLeast(value, bound! / 2, `${name}: ${what} became less than half: ${anew}`)
}

describe("docs/costs.md", () => {
  it.each([...costs.entries])("%s takes no more bytes and modules than it says", async (name, input) => {
    const { bytes, modules } = await costs.costOf(input)
    const [mostBytes, mostModules] = bounds.get(name) ?? []
    assert.isAbove(bytes, 0)
    within(name, "bytes", bytes, mostBytes)
    within(name, "modules", modules, mostModules)
  })

  it("programs take no more of the compiler than it says", () => {
    const found = costs.instantiations()
    assert.isAbove(found.size, 2)
    for (const [name, count] of found) within(name, "instantiations", count, bounds.get(name)?.[0])
  })

  it("a bound leaves a fifth of room", () => {
    assert.deepStrictEqual([0, 1, 77, 1000, 123_456].map(costs.bound), [0, 2, 93, 1200, 150_000])
  })
})
