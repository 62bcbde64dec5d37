/** Tasks of several pictures: `<Repeater>`, lists, several `<Image>`; and what somebody draws on one of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LabelConfig from "../../../src/server/dialects/labelStudio/LabelConfig.ts"
import { config, connected, labels, type Region, studio, uploads } from "./support.ts"

/** Pictures that were fetched, by the path that has no second one. */
const fetched = (asked: ReadonlyArray<readonly [path: string, authorization: string | undefined]>) =>
  asked.flatMap(([path]) => (path.startsWith("/data/") ? [path] : []))
const address = (n: number) => `/data/upload/1/${n}.png`
const pages = (count: number) => Array.from({ length: count }, (_, n) => address(n + 1))
const places = (regions: ReadonlyArray<Region> = []) => [
  ...new Set(regions.map(({ from_name, item_index, to_name }) => `${from_name} on ${to_name} ${item_index}`))
]

const repeater = (value: string, more = 'on="$document"', flag = "{{idx}}") =>
  `<View><Header value="Pages"/><Repeater ${more} mode="pagination"><View>
     <Image name="page_${flag}" value="${value}" inline="true"/>
     <PolygonLabels name="labels_${flag}" toName="page_${flag}">${labels("scratch")}</PolygonLabels>
     <Rating name="rating_${flag}" toName="page_${flag}"/>
   </View></Repeater></View>`

describe("a repeater", () => {
  it.live("has its tags once for each page of a task, however many", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* studio(uploads("1.png", "2.png", "3.png"))
      const ours = yield* connected(url)
      const document = (count: number) => pages(count).map((page) => ({ page }))
      const { results } = yield* ours.predict(
        [1, 3, 0].map((count) => ({ id: count, data: { document: document(count) } })),
        repeater("$document[{{idx}}].page")
      )
      assert.deepStrictEqual(
        results.map(({ result }) => places(result)),
        [["labels_0 on page_0 undefined"], [0, 1, 2].map((n) => `labels_${n} on page_${n} undefined`), []]
      )
      assert.deepStrictEqual(fetched(asked()).sort(), [address(1), ...pages(3)].sort())
    }).pipe(Effect.scoped)
  )

  it.live("is written in other ways, and a task without its list is a task that fails", () =>
    Effect.gen(function* () {
      const { url } = yield* studio(uploads("1.png", "2.png"))
      const ours = yield* connected(url)
      const of = (data: object, xml: string) =>
        Effect.map(
          ours.predict(
            [
              { id: 1, data: { ...data } },
              { id: 2, data: { ...data } }
            ],
            xml
          ),
          ({ results }) => {
            assert.lengthOf(results, 2)
            return places(results[1]?.result)
          }
        )
      const both = ["labels_0 on page_0 undefined", "labels_1 on page_1 undefined"]
      for (const [data, xml] of [
        [{ document: pages(2) }, repeater("$document[{{idx}}]")],
        [{ document: pages(2) }, repeater("$document[##]", 'ON="$document" indexFlag="##"', "##")],
        [{ a: { b: pages(2) } }, repeater("$a.b[{{idx}}]", 'on="$a.b"')],
        [{ document: pages(2) }, repeater("$document[{{idx}}]").replaceAll("Repeater", "repeater")]
      ] as const)
        assert.deepStrictEqual(yield* of(data, xml), both, xml)
      const nested = `<View><Repeater on="$books" indexFlag="{{b}}"><Repeater on="$books[{{b}}].pages">
        <Image name="i{{b}}-{{idx}}" value="$books[{{b}}].pages[{{idx}}]"/>
        <BrushLabels name="t{{b}}-{{idx}}" toName="i{{b}}-{{idx}}">${labels("scratch")}</BrushLabels></Repeater></Repeater></View>`
      assert.deepStrictEqual(yield* of({ books: [{ pages: pages(2) }, { pages: pages(1) }] }, nested), [
        "t0-0 on i0-0 undefined",
        "t0-1 on i0-1 undefined",
        "t1-0 on i1-0 undefined"
      ])
      for (const data of [{}, { document: "1.png" }, { document: { length: 2 } }, { document: null }])
        assert.deepStrictEqual(yield* of(data, repeater("$document[{{idx}}]")), [], JSON.stringify(data))
      // A page of the list that is none.
      assert.deepStrictEqual(yield* of({ document: [address(1), {}] }, repeater("$document[{{idx}}]")), [])
    }).pipe(Effect.scoped)
  )

  it("has no more tags than can be read, and its labels where the task is not known", () => {
    const { controls, forTask } = Effect.runSync(LabelConfig.parse(repeater("$document[{{idx}}]")))
    assert.deepStrictEqual(
      controls[0]?.labels.map(({ value }) => value),
      ["scratch"]
    )
    const many = (length: number) =>
      Effect.runSync(Effect.result(forTask({ document: Array.from({ length }, () => "x") })))
    assert.strictEqual(many(10_000)._tag, "Success")
    assert.strictEqual(many(10_001)._tag, "Failure")
    const deep = Effect.runSync(
      LabelConfig.parse(
        `<View><Repeater on="$d"><Repeater on="$d"><Repeater on="$d"><Image name="a" value="$d"/></Repeater></Repeater></Repeater></View>`
      )
    )
    const d = Array.from({ length: 1000 }, () => "x")
    const found = Effect.runSync(Effect.result(deep.forTask({ d })))
    assert.strictEqual(found._tag, "Failure")
  })
})

describe("what is drawn on one of several pictures", () => {
  const drawn = (type: string, value: object, where: object = {}) => ({
    result: [{ type, value: { ...value, [type]: ["scratch"] }, ...where }]
  })
  const all = { x: 0, y: 0, width: 100, height: 100, rotation: 0 }
  const box = (where: object) => drawn("rectanglelabels", all, where)

  it.live("is looked for on that one, and the others are not even fetched", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* studio(uploads("1.png", "2.png"))
      const ours = yield* connected(url)
      const of = (data: object, xml: string, context: unknown) =>
        Effect.map(ours.predict([{ id: 1, data: { ...data } }], xml, context), ({ results }) =>
          places(results[0]?.result)
        )
      const two = `<View><Image name="a" value="$one"/><Image name="b" value="$two"/>
        <PolygonLabels name="tag" toName="a,b">${labels("scratch", "particle")}</PolygonLabels></View>`
      const data = { one: address(1), two: address(2), list: pages(2) }
      assert.deepStrictEqual(yield* of(data, two, box({ to_name: "b" })), ["tag on b undefined"])
      assert.deepStrictEqual(fetched(asked()), [address(2)])
      assert.deepStrictEqual(yield* of(data, two, box({ to_name: "a" })), ["tag on a undefined"])
      assert.deepStrictEqual(yield* of(data, two, box({ to_name: "c" })), [])
      const paged = config("PolygonLabels").replace('value="$image"', 'valueList="$list"')
      for (const [item, page] of [
        [{ item_index: 1 }, 1],
        [{ item_index: 0 }, 0],
        [{}, 0]
      ] as const)
        assert.deepStrictEqual(yield* of(data, paged, box({ to_name: "img", ...item })), [
          `tag on img ${page}`
        ])
      assert.deepStrictEqual(
        yield* of({ document: pages(2) }, repeater("$document[{{idx}}]"), box({ to_name: "page_1" })),
        ["labels_1 on page_1 undefined"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("may be an ellipse or a polygon; what has no place is nothing", () =>
    Effect.gen(function* () {
      const { url } = yield* studio(uploads("1.png"))
      const ours = yield* connected(url)
      const of = (context: unknown) =>
        Effect.map(
          ours.predict([{ id: 1, data: { image: address(1) } }], config("RectangleLabels"), context),
          ({ results }) =>
            (results[0]?.result ?? []).map(({ value: { height, width, x, y } }) => [x, y, width, height])
        )
      // The left half, in as many ways.
      const half = yield* of(drawn("rectanglelabels", { x: 0, y: 0, width: 50, height: 100 }))
      assert.isAtLeast(half.length, 1)
      assert.deepStrictEqual(
        yield* of(drawn("ellipselabels", { x: 25, y: 50, radiusX: 25, radiusY: 50 })),
        half
      )
      const points = [
        [0, 0],
        [50, 0],
        [50, 100],
        [0, 100]
      ]
      assert.deepStrictEqual(yield* of(drawn("polygonlabels", { points })), half)
      assert.notDeepEqual(yield* of(drawn("rectanglelabels", all)), half)
      for (const context of [
        drawn("rectanglelabels", { x: 1, y: 1 }),
        drawn("ellipselabels", { x: 1, y: 1, radiusX: "1" }),
        drawn("polygonlabels", { points: [] }),
        drawn("polygonlabels", { points: [[1], 2] }),
        drawn("brushlabels", { format: "rle", rle: [] }),
        drawn("keypointlabels", { x: null, y: 2 }),
        { result: ["x", null, {}] }
      ])
        assert.deepStrictEqual(yield* of(context), [], JSON.stringify(context))
    }).pipe(Effect.scoped)
  )
})
