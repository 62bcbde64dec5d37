/** What the page keeps of earlier visits, as docs/guides/page.md says it. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { bounds, within, type Kept } from "../../src/server/page/client/History.ts"

/** Of a size that it need not take. */
class Sized extends Blob {
  readonly #bytes: number
  constructor(bytes: number) {
    super()
    this.#bytes = bytes
  }
  override get size() {
    return this.#bytes
  }
}

const kept = (id: number, bytes: number): Kept => ({
  id: String(id),
  name: `${id}.png`,
  type: "image/png",
  file: new Sized(bytes),
  results: new Map(),
  model: "m"
})

const idsOf = (pictures: ReadonlyArray<Kept>) => within(pictures).map(({ id }) => Number(id))

describe("what the page keeps", () => {
  it("is the newest pictures, as many and as large as the guide says", () => {
    const guide = readFileSync("docs/guides/page.md", "utf8")
    assert.include(guide, `at most ${bounds.pictures} pictures and ${bounds.bytes / 1e6} MB`)
    const many = Array.from({ length: 70 }, (_, id) => kept(id, 1000))
    assert.deepStrictEqual(idsOf(many), [...Array(bounds.pictures).keys()])
    const third = bounds.bytes / 3
    assert.deepStrictEqual(idsOf([0, 1, 2, 3].map((id) => kept(id, third))), [0, 1, 2])
    assert.deepStrictEqual(idsOf([kept(0, 1), kept(1, bounds.bytes), kept(2, 1)]), [0])
  })
})
