/** Pictures that are asked for again: little is kept of each, so that many are known in the memory that one result takes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Prediction, RequestRejected } from "effect-segformer"
import { CvatDialect } from "effect-segformer/server"
import sharp from "sharp"
import { ask, jsonBody, type Predict, serve } from "../support.ts"
import { config, connected, labels, type Region, studio, task } from "./support.ts"

const [width, height] = [400, 300]
const plane = width * height

/** Two things on a background, and how sure somebody is of each pixel: 600 kB of a result. */
const made = () => {
  const data = new Uint8Array(plane)
  const sure = new Float32Array(plane)
  for (let at = 0; at < plane; at++) {
    const [x, y] = [at % width, Math.floor(at / width)]
    data[at] = (x - 90) ** 2 + (y - 90) ** 2 < 60 ** 2 ? 1 : x > 250 && x < 330 && y > 150 && y < 260 ? 2 : 0
    sure[at] = 0.5 + ((x * 7 + y * 13) % 100) / 250
  }
  return {
    _tag: "Labels" as const,
    labelMap: { width, height, data },
    classes: [
      { id: 0, name: "background" },
      { id: 1, name: "particle" },
      { id: 2, name: "scratch" }
    ],
    confidence: { width, height, data: sure }
  } satisfies Prediction
}

/** What one result takes, and a little more. */
const maxCacheBytes = 700_000

const counting = () => {
  let runs = 0
  const predict: Predict = () =>
    Effect.sync(() => {
      runs++
      return made()
    })
  return { predict, runs: () => runs }
}

const png = Effect.promise(() =>
  sharp({ create: { width, height, channels: 3, background: "#345678" } })
    .png()
    .toBuffer()
)
/** Others, to whoever compares bytes: what comes after the end of a PNG is not looked at. */
const pictures = Effect.map(png, (bytes) => Array.from({ length: 12 }, (_, n) => Uint8Array.of(...bytes, n)))

const withoutIds = (regions: ReadonlyArray<Region>) => regions.map((region) => ({ ...region, id: "" }))

describe("pictures that annotators open again", () => {
  it.live(
    "Label Studio's are answered without a run, the same under new ids, for each labelling configuration",
    () =>
      Effect.gen(function* () {
        const bytes = yield* pictures
        const names = bytes.map((picture, n) => [`/data/upload/1/${n}.png`, picture] as const)
        const { url } = yield* studio(Object.fromEntries(names))
        const { predict, runs } = counting()
        const ours = yield* connected(url, { predict, server: { maxCacheBytes } })
        const tasks = bytes.map((_, n) => task(n))
        for (const tag of ["BrushLabels", "PolygonLabels", "RectangleLabels"]) {
          const before = runs()
          const first = (yield* ours.predict(tasks, config(tag))).results
          assert.strictEqual(runs() - before, bytes.length, `${tag} is another question`)
          const again = (yield* ours.predict(tasks, config(tag))).results
          assert.strictEqual(runs() - before, bytes.length, tag)
          for (const [n, { result, score }] of again.entries()) {
            assert.lengthOf(result, 2)
            assert.deepStrictEqual(withoutIds(result), withoutIds(first[n]?.result ?? []))
            assert.strictEqual(score, first[n]?.score)
          }
          const ids = [...first, ...again].flatMap(({ result }) => result.map(({ id }) => id))
          assert.strictEqual(new Set(ids).size, ids.length)
        }
        // A label less, and one that a threshold leaves out.
        const fewer = yield* ours.predict(tasks.slice(0, 1), config("BrushLabels", labels("scratch")))
        assert.lengthOf(fewer.results[0]?.result ?? [], 1)
        const least = config("BrushLabels", undefined, 'model_score_threshold="0.99"')
        assert.lengthOf((yield* ours.predict(tasks.slice(0, 1), least)).results[0]?.result ?? [0], 0)
      }).pipe(Effect.scoped)
  )

  it.live("CVAT's too, for each function and threshold; clicks on a picture take one run", () =>
    Effect.gen(function* () {
      const frames = (yield* pictures).map((picture) => Buffer.from(picture).toString("base64"))
      const { predict, runs } = counting()
      const { url } = yield* serve(predict, { dialects: [CvatDialect.make()], maxCacheBytes })
      const invoke = (name: string, body: object) =>
        Effect.map(
          ask(`${url}/api/function_invocations`, {
            ...jsonBody(body),
            headers: { "content-type": "application/json", "x-nuclio-function-name": name }
          }),
          ({ body }): unknown => JSON.parse(body.toString())
        )
      const all = (name: string, more: object = {}) =>
        Effect.forEach(frames, (image) => invoke(name, { image, ...more }))
      for (const [name, more, found] of [
        ["test", {}, 2],
        ["test-polygons", {}, 2],
        ["test-boxes", {}, 2],
        ["test-boxes", { threshold: 0.99 }, 0]
      ] as const) {
        const before = runs()
        const first = yield* all(name, more)
        const again = yield* all(name, more)
        assert.strictEqual(runs() - before, frames.length, name)
        assert.deepStrictEqual(again, first)
        for (const shapes of first) assert.lengthOf(Array.isArray(shapes) ? shapes : [0], found)
      }
      const before = runs()
      const image = frames[0]
      const inside = yield* invoke("test-click", { image, pos_points: [[90, 90]], neg_points: [] })
      const beside = yield* invoke("test-click", { image, pos_points: [[300, 200]], neg_points: [] })
      const nothing = yield* invoke("test-click", { image, pos_points: [[90, 90]], neg_points: [[91, 91]] })
      assert.strictEqual(runs() - before, 1)
      const count = (answer: unknown) => JSON.stringify(answer).split("1").length - 1
      const pixels = (id: number) => made().labelMap.data.filter((own) => own === id).length
      assert.deepStrictEqual([inside, beside, nothing].map(count), [pixels(1), pixels(2), 0])
    }).pipe(Effect.scoped)
  )

  it.live("a result that another route has made does for them, and theirs drive none out of memory", () =>
    Effect.gen(function* () {
      const [first, ...rest] = yield* pictures
      const { predict, runs } = counting()
      const { url } = yield* serve(predict, { dialects: [CvatDialect.make()], maxCacheBytes })
      const segment = ask(`${url}/v1/segment`, { method: "POST", body: Uint8Array.from(first ?? []) })
      const detect = (picture: Uint8Array) =>
        ask(`${url}/`, jsonBody({ image: Buffer.from(picture).toString("base64") }))
      yield* segment
      yield* detect(first ?? new Uint8Array())
      assert.strictEqual(runs(), 1)
      yield* Effect.forEach(rest.slice(0, 4), detect)
      assert.strictEqual(runs(), 5)
      yield* segment
      assert.strictEqual(runs(), 5)
    }).pipe(Effect.scoped)
  )

  it.live("no two questions on one picture have each other's answers", () =>
    Effect.gen(function* () {
      const bytes = yield* png
      const { url } = yield* studio({ "/data/upload/1/same.png": bytes })
      const { predict, runs } = counting()
      const ours = yield* connected(url, { predict, server: { maxCacheBytes } })
      const one = (data: object, xml: string, context?: unknown) =>
        Effect.map(
          ours.predict([{ id: 1, data: { image: "/data/upload/1/same.png", ...data } }], xml, context),
          ({ results }) => results[0]?.result ?? []
        )
      const said = (regions: ReadonlyArray<Region>) =>
        regions.map((region) => {
          const key = Object.keys(region.value).find((name) => name.endsWith("labels")) ?? ""
          return [region.from_name, region.to_name, region.item_index, region.value[key]] as const
        })
      const own =
        '<View><Image name="img" value="$image"/><BrushLabels name="tag" toName="img" value="$labels"/></View>'
      const named = (text: string) => ({ labels: [{ value: text, predicted_values: "particle" }] })
      const pages = `<View><Image name="img" valueList="$pages"/><PolygonLabels name="tag" toName="img">${labels("scratch")}</PolygonLabels></View>`
      const two =
        '<View><Image name="left" value="$image"/><Image name="right" value="$image"/>' +
        `<RectangleLabels name="l" toName="left">${labels("particle")}</RectangleLabels>` +
        `<RectangleLabels name="r" toName="right">${labels("scratch")}</RectangleLabels></View>`
      const address = "/data/upload/1/same.png"
      const alias = config("BrushLabels", '<Label value="particle" alias="p"/>')
      const asked: ReadonlyArray<readonly [object, string, ReturnType<typeof said>]> = [
        [named("dust"), own, [["tag", "img", undefined, ["dust"]]]],
        [named("grain"), own, [["tag", "img", undefined, ["grain"]]]],
        [{}, alias, [["tag", "img", undefined, ["p"]]]],
        [{}, config("BrushLabels", labels("particle")), [["tag", "img", undefined, ["particle"]]]],
        [
          { pages: [address, address] },
          pages,
          [
            ["tag", "img", 0, ["scratch"]],
            ["tag", "img", 1, ["scratch"]]
          ]
        ],
        [
          {},
          two,
          [
            ["l", "left", undefined, ["particle"]],
            ["r", "right", undefined, ["scratch"]]
          ]
        ],
        [{}, config("BrushLabels", labels("particle"), 'model_score_threshold="0.99"'), []],
        [
          {},
          config("BrushLabels", labels("particle"), 'model_score_threshold="0.1"'),
          [["tag", "img", undefined, ["particle"]]]
        ]
      ]
      for (const again of [false, true]) {
        const before = runs()
        for (const [data, xml, expected] of asked)
          assert.deepStrictEqual(said(yield* one(data, xml)), expected)
        if (again) assert.strictEqual(runs(), before)
      }
      // Where somebody clicks it is the region that counts, and no answer from before.
      const click = (x: number, y: number) => ({
        result: [
          {
            type: "keypointlabels",
            to_name: "img",
            from_name: "point",
            original_width: width,
            original_height: height,
            value: { x: (100 * x) / width, y: (100 * y) / height, width: 0.2, keypointlabels: ["particle"] }
          }
        ]
      })
      const xml = config("RectangleLabels")
      const [all, particle, scratch] = [
        yield* one({}, xml),
        yield* one({}, xml, click(90, 90)),
        yield* one({}, xml, click(300, 200))
      ]
      assert.deepStrictEqual([all.length, particle.length, scratch.length], [2, 1, 1])
      assert.notDeepEqual(particle[0]?.value["x"], scratch[0]?.value["x"])
    }).pipe(Effect.scoped)
  )

  it.live(
    "nothing is kept of what fails, and never more than the memory for it; what was not used for longest goes",
    () =>
      Effect.gen(function* () {
        const frames = yield* pictures
        let runs = 0
        // What a service says that has pictures only, and one that does not want the image.
        const answers: ReadonlyArray<ReturnType<Predict>> = [
          Effect.succeed({ _tag: "Rendered", classes: [], width, height, pictures: {} }),
          Effect.fail(new RequestRejected({ service: "test", status: 422, detail: "no" }))
        ]
        const predict: Predict = () =>
          Effect.suspend(() => answers[runs++] ?? Effect.sync((): Prediction => made()))
        const few = 12_000
        const { url } = yield* serve(predict, { dialects: [CvatDialect.make()], maxCacheBytes: few })
        const metric = (name: string) =>
          Effect.map(ask(`${url}/metrics`), ({ body }) =>
            Number(new RegExp(`^${name} (\\d+)$`, "m").exec(body.toString())?.[1] ?? 0)
          )
        const size = metric("segformer_cache_size_bytes")
        const hits = metric('segformer_cache_lookups_total\\{segformer_outcome="hit"\\}')
        const detect = (n: number) =>
          ask(`${url}/api/function_invocations`, {
            ...jsonBody({ image: Buffer.from(frames[n] ?? []).toString("base64") }),
            headers: { "content-type": "application/json", "x-nuclio-function-name": "test-boxes" }
          })
        for (const n of [0, 0]) {
          assert.isAtLeast((yield* detect(n)).status, 400)
          assert.strictEqual(yield* size, 0)
        }
        const before = yield* hits
        const at = runs
        // Two answers have room; a result has not.
        for (const n of [0, 1, 0, 2, 0]) assert.strictEqual((yield* detect(n)).status, 200)
        assert.strictEqual(runs - at, 3)
        assert.strictEqual((yield* hits) - before, 2)
        yield* detect(1)
        assert.strictEqual(runs - at, 4)
        const [least, most] = [8192, few]
        assert.isTrue((yield* size) > least && (yield* size) <= most, String(yield* size))
      }).pipe(Effect.scoped)
  )
})
