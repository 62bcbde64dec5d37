/** Classes of two tables that are one by their names. */
import { assert, describe, it } from "@effect/vitest"
import { ClassTable } from "effect-segformer/mask"

const table = (ids: Readonly<Record<number, string>>) =>
  ClassTable.make(Object.entries(ids).map(([id, name]) => ({ id: Number(id), name })))
const entries = (classes: ClassTable.ClassTable) => classes.map(({ id, name }) => [id, name])

describe("classes by name", () => {
  it("have the ids of the first table, and free ones", () => {
    const joined = ClassTable.joined([
      table({ 0: "road", 3: "car" }),
      table({ 0: "Car", 1: "sky", 3: "road " })
    ])
    assert.deepStrictEqual(entries(joined), [
      [0, "road"],
      [1, "sky"],
      [3, "car"]
    ])
    const clash = ClassTable.joined([table({ 0: "a", 1: "b" }), table({ 0: "c", 1: "d", 2: "b" })])
    assert.deepStrictEqual(entries(clash), [
      [0, "a"],
      [1, "b"],
      [2, "c"],
      [3, "d"]
    ])
    // Where case alone tells two classes of one table apart, it does.
    const cased = ClassTable.joined([table({ 0: "car", 1: "Car" }), table({ 0: "Car" })])
    assert.deepStrictEqual(entries(cased), [
      [0, "car"],
      [1, "Car"]
    ])
  })

  it("renumber ids, and one without a name becomes no class of another's", () => {
    const to = table({ 0: "road", 1: "sky", 3: "car" })
    const from = table({ 0: "Car", 3: "road" })
    const ids = ClassTable.renumbering([0, 3, 1, 200], from, to)
    assert.deepStrictEqual(
      [...ids],
      [
        [0, 3],
        [3, 0],
        [1, 5],
        [200, 200]
      ]
    )
  })
})
