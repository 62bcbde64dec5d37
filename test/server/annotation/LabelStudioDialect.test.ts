/** Label Studio's requests, as it sends them, to a server that stands for a model. */
import { assert, describe, it } from "@effect/vitest"
import sharp from "sharp"
import { Effect, Fiber, Redacted, Result } from "effect"
import type { Prediction as Made } from "effect-segformer"
import { BrushRle } from "effect-segformer/annotation"
import { Polygons } from "effect-segformer/mask"
import { Dialects, LabelStudioDialect } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../../support/Eventually.ts"
import { ask, gate, jsonBody, type Predict, serve } from "../support.ts"
import { config, connected, key, labels, type Region, studio, task, uploads } from "./support.ts"

const { height, width } = Fixtures
const labelMap = Fixtures.prediction.labelMap
const size = { width, height }
const is = (id: number) => Array.from(labelMap.data, (own) => (own === id ? 1 : 0))

/** Which pixels regions of a label cover together. */
const covered = (regions: ReadonlyArray<Region>, pixelsOf: (region: Region) => ReadonlyArray<number>) => {
  const all = Array.from({ length: width * height }, () => 0)
  for (const region of regions)
    pixelsOf(region).forEach((inside, at) => {
      if (inside !== 0) all[at] = 1
    })
  return all
}

const ofBrush = ({ value }: Region): ReadonlyArray<number> => {
  assert.strictEqual(value["format"], "rle")
  const rle = value["rle"]
  assert.isArray(rle)
  return [...Result.getOrThrow(BrushRle.decode(rle as ReadonlyArray<number>, size)).data]
}

describe("Label Studio", () => {
  it.live("gets brushes, a result for each task, with how sure the segmenter is", () =>
    Effect.gen(function* () {
      const data = new Float32Array(width * height).fill(0.75)
      const predict: Predict = () =>
        Effect.succeed({ ...Fixtures.prediction, confidence: { ...size, data } } satisfies Made)
      const { url } = yield* studio(uploads("1.png", "2.png"))
      const ours = yield* connected(url, { predict })
      const { results } = yield* ours.predict([task(2), task(1)], config("BrushLabels"))
      assert.lengthOf(results, 2)
      for (const { model_version, result, score } of results) {
        assert.match(model_version, /^test-[0-9a-f]{8}$/)
        assert.strictEqual(score, 0.75)
        assert.strictEqual(new Set(result.map(({ id }) => id)).size, result.length)
        for (const region of result) {
          assert.deepInclude(region, {
            from_name: "tag",
            to_name: "img",
            type: "brushlabels",
            original_width: width,
            original_height: height,
            image_rotation: 0,
            score: 0.75
          })
        }
        for (const [id, name] of [
          [1, "particle"],
          [2, "scratch"]
        ] as const) {
          const own = result.filter(({ value }) => (value["brushlabels"] as Array<string>)[0] === name)
          assert.deepStrictEqual(covered(own, ofBrush), is(id), name)
        }
      }
    }).pipe(Effect.scoped)
  )

  it.live("gets polygons, rectangles and bitmasks by the tags of its configuration", () =>
    Effect.gen(function* () {
      const { url } = yield* studio(uploads("1.png"))
      const ours = yield* connected(url)
      const of = Effect.fnUntraced(function* (tag: string) {
        const { results } = yield* ours.predict([task(1)], config(tag))
        return results[0]?.result ?? []
      })
      const outlines = Polygons.fromLabelMap(labelMap, { exclude: [0] })
      const polygons = yield* of("PolygonLabels")
      assert.lengthOf(polygons, outlines.length)
      for (const { type, value } of polygons) {
        assert.strictEqual(type, "polygonlabels")
        assert.isTrue(value["closed"])
        const points = value["points"] as ReadonlyArray<readonly [number, number]>
        assert.isAtLeast(points.length, 3)
        for (const point of points)
          for (const share of point) assert.isTrue(share >= 0 && share <= 100, String(share))
      }
      for (const { type, value } of yield* of("RectangleLabels")) {
        assert.strictEqual(type, "rectanglelabels")
        assert.strictEqual(value["rotation"], 0)
        const [right, bottom] = [
          Number(value["x"]) + Number(value["width"]),
          Number(value["y"]) + Number(value["height"])
        ]
        assert.isTrue(right <= 100 + 1e-6 && bottom <= 100 + 1e-6)
      }
      for (const { type, value } of yield* of("BitmaskLabels")) {
        assert.strictEqual(type, "bitmasklabels")
        assert.match(String(value["imageDataURL"]), /^data:image\/png;base64,iVBOR/)
      }
      assert.deepStrictEqual(yield* of("KeyPointLabels"), [])
    }).pipe(Effect.scoped)
  )

  it.live("gets each class once, by the tag that has a label for it, and none that has no label", () =>
    Effect.gen(function* () {
      const { url } = yield* studio(uploads("1.png"))
      const ours = yield* connected(url)
      const xml = `<View><Image name="img" value="$image"/>
        <RectangleLabels name="box" toName="img"><Label value="Kratzer" alias="K" predicted_values="scratch"/></RectangleLabels>
        <BrushLabels name="tag" toName="img">${labels("scratch", "PARTICLE")}</BrushLabels></View>`
      const { results } = yield* ours.predict([task(1)], xml)
      const named = (results[0]?.result ?? []).map(
        ({ from_name, type, value }) => `${from_name} ${String(value[type])}`
      )
      assert.deepStrictEqual([...new Set(named)].sort(), ["box K", "tag PARTICLE"])
      const none = yield* ours.predict([task(1)], config("BrushLabels", labels("car", "tree")))
      assert.deepStrictEqual(
        none.results.map(({ result }) => result),
        [[]]
      )
    }).pipe(Effect.scoped)
  )

  it.live("gets sizes and regions of a picture as it is shown, turned by its EXIF", () =>
    Effect.gen(function* () {
      const turned = yield* Effect.promise(async () => {
        const picture = sharp({ create: { width: 40, height: 20, channels: 3, background: "#888" } })
        return new Uint8Array(await picture.withMetadata({ orientation: 6 }).jpeg().toBuffer())
      })
      const predict: Predict = ({ image }) => {
        const data = new Uint8Array(image.width * image.height)
        // Its first row, as a person sees it.
        data.fill(2, 0, image.width)
        const shown = { width: image.width, height: image.height, data }
        return Effect.succeed({ _tag: "Labels", classes: Fixtures.classes, labelMap: shown })
      }
      const { url } = yield* studio({ "/data/upload/1/1.jpg": turned })
      const ours = yield* connected(url, { predict })
      const { results } = yield* ours.predict([task(1, "/data/upload/1/1.jpg")], config("RectangleLabels"))
      const [region] = results[0]?.result ?? []
      assert.deepInclude(region, { original_width: 20, original_height: 40, image_rotation: 0 })
      assert.deepInclude(region?.value, { x: 0, y: 0, width: 100, height: 2.5 })
    }).pipe(Effect.scoped)
  )

  it.live("gets what the options and the threshold of a tag leave", () =>
    Effect.gen(function* () {
      const data = Float32Array.from(labelMap.data, (id) => (id === 1 ? 0.4 : 0.9))
      const predict: Predict = () => Effect.succeed({ ...Fixtures.prediction, confidence: { ...size, data } })
      const { url } = yield* studio(uploads("1.png"))
      const count = Effect.fnUntraced(function* (
        options: Parameters<typeof connected>[1],
        xml = config("BrushLabels")
      ) {
        const ours = yield* connected(url, { predict, ...options })
        const { results } = yield* ours.predict([task(1)], xml)
        return (results[0]?.result ?? []).map(({ value }) => String(value["brushlabels"]))
      })
      const all = yield* count({})
      assert.deepStrictEqual([...new Set(all)].sort(), ["particle", "scratch"])
      const sure = yield* count({}, config("BrushLabels", undefined, 'model_score_threshold="0.5"'))
      assert.deepStrictEqual([...new Set(sure)], ["scratch"])
      assert.deepStrictEqual((yield* count({ per: "class" })).sort(), ["particle", "scratch"])
      assert.deepStrictEqual(yield* count({ minArea: width * height }), [])
    }).pipe(Effect.scoped)
  )

  it.live("gets pages of a list with their number, labels of a task's own, and pictures of two tags", () =>
    Effect.gen(function* () {
      const { url } = yield* studio(uploads("1.png", "2.png"))
      const ours = yield* connected(url)
      const paged = config("BrushLabels").replace("value=", "valueList=")
      const list = yield* ours.predict([task(1, ["/data/upload/1/1.png", "/data/upload/1/2.png"])], paged)
      const pages = new Set(list.results[0]?.result.map(({ item_index }) => item_index))
      assert.deepStrictEqual([...pages], [0, 1])
      const own = config("BrushLabels", "", 'value="$labels"')
      const { results } = yield* ours.predict(
        [
          {
            id: 1,
            data: { image: "/data/upload/1/1.png", labels: [{ value: "scratch", alias: "s" }, "pit"] }
          }
        ],
        own
      )
      assert.deepStrictEqual(
        [...new Set(results[0]?.result.map(({ value }) => String(value["brushlabels"])))],
        ["s"]
      )
      const two = `<View><Image name="a" value="$one"/><Image name="b" value="$two"/><Image name="c" value="$three"/>
        <RectangleLabels name="tag" toName="a,b">${labels("scratch")}</RectangleLabels></View>`
      const both = yield* ours.predict(
        [{ id: 1, data: { one: "/data/upload/1/1.png", two: "/data/upload/1/2.png" } }],
        two
      )
      assert.deepStrictEqual([...new Set(both.results[0]?.result.map(({ to_name }) => to_name))], ["a", "b"])
    }).pipe(Effect.scoped)
  )

  it.live("gets the region at a click, and what lies in a box, while somebody annotates", () =>
    Effect.gen(function* () {
      const { url } = yield* studio(uploads("1.png"))
      const ours = yield* connected(url)
      const at = labelMap.data.indexOf(2)
      const place = {
        x: ((at % width) + 0.5) * (100 / width),
        y: (Math.floor(at / width) + 0.5) * (100 / height)
      }
      const click = (isPositive: boolean, label: string) => ({
        type: "keypointlabels",
        is_positive: isPositive,
        value: { ...place, width: 0.5, keypointlabels: [label] }
      })
      const of = Effect.fnUntraced(function* (...result: ReadonlyArray<unknown>) {
        const { results } = yield* ours.predict([task(1)], config("BrushLabels"), { result })
        return results[0]?.result ?? []
      })
      const [region, ...more] = yield* of(click(true, "scratch"))
      assert.lengthOf(more, 0)
      assert.isDefined(region)
      const pixels = covered([region!], ofBrush)
      assert.strictEqual(pixels[at], 1)
      assert.isTrue(pixels.every((inside, i) => inside === 0 || labelMap.data[i] === 2))
      // Whoever clicks says what it is.
      const [other] = yield* of(click(true, "particle"))
      assert.deepStrictEqual(other?.value["brushlabels"], ["particle"])
      assert.deepStrictEqual(yield* of(click(true, "scratch"), click(false, "scratch")), [])
      assert.deepStrictEqual(yield* of(), [])
      const [boxed] = yield* of({
        type: "rectanglelabels",
        value: { x: 0, y: 0, width: 100, height: 100, rotation: 0, rectanglelabels: ["scratch"] }
      })
      assert.deepStrictEqual(
        covered([boxed!], ofBrush),
        Array.from(labelMap.data, (id) => (id === 0 ? 0 : 1))
      )
    }).pipe(Effect.scoped)
  )
})

describe("what Label Studio asks besides", () => {
  it.live("is answered at once, whether or not the model is there", () =>
    Effect.gen(function* () {
      const dialects = [LabelStudioDialect.make()]
      const { url } = yield* serve(() => Effect.never, { dialects })
      for (const path of ["/", "/health"]) {
        const { json } = yield* ask(url + path, { headers: { "user-agent": "heartex/1.23" } })
        assert.deepStrictEqual(json, { status: "UP", model_class: "effect-segformer" })
      }
      const setup = yield* ask(
        `${url}/setup`,
        jsonBody({
          project: "1.1700000000",
          schema: config("BrushLabels"),
          hostname: "http://localhost:8080",
          access_token: "secret",
          extra_params: null
        })
      )
      assert.strictEqual(setup.status, 200)
      assert.match(String(setup.json["model_version"]), /^test-[0-9a-f]{8}$/)
      for (const action of ["ANNOTATION_CREATED", "START_TRAINING", "PROJECT_UPDATED"]) {
        const told = yield* ask(
          `${url}/webhook`,
          jsonBody({ action, project: { id: 1 }, annotation: { result: [] } })
        )
        assert.strictEqual(told.status, 200)
      }
      for (const path of ["/train", "/validate", "/duplicate_model", "/delete", "/job_status"]) {
        const { json, status } = yield* ask(url + path, jsonBody({ project: "1.1" }))
        assert.deepStrictEqual([status, json], [200, {}])
      }
      const { json } = yield* ask(`${url}/versions`)
      assert.isArray(json["versions"])
      const empty = yield* ask(`${url}/predict`, jsonBody({ tasks: [], label_config: config("BrushLabels") }))
      assert.deepStrictEqual(empty.json, { results: [] })
    }).pipe(Effect.scoped)
  )

  it.live("is answered beside other protocols and the page, which have the same paths", () =>
    Effect.gen(function* () {
      const dialects = yield* Dialects.load(["huggingface", "inspection", "labelstudio", "cvat"])
      const { url } = yield* serve(undefined, { dialects, page: true })
      for (const path of ["/", "/health"]) {
        const { json } = yield* ask(url + path, {
          headers: { "user-agent": "heartex/1.23.2", accept: "*/*" }
        })
        assert.strictEqual(json["status"], "UP", path)
        const other = yield* ask(url + path, { headers: { accept: "application/json" } })
        assert.strictEqual(other.body.toString(), "Ok")
      }
      const asked = jsonBody({ tasks: [], label_config: config("BrushLabels") })
      const headers = { "user-agent": "heartex/1.23.2", "content-type": "application/json" }
      assert.deepStrictEqual((yield* ask(`${url}/predict`, { ...asked, headers })).json, { results: [] })
      const image = { method: "POST", body: Uint8Array.from(Fixtures.image) }
      assert.match((yield* ask(`${url}/predict`, image)).body.toString(), /^\[\{"label"/)
      const page = yield* ask(url, { headers: { accept: "text/html" } })
      assert.match(page.headers.get("content-type") ?? "", /^text\/html/)
      // What is said at the start holds beside all protocols that there are.
      const all = yield* serve(undefined, { dialects: yield* Dialects.load(Dialects.names) })
      assert.deepStrictEqual((yield* ask(`${all.url}/predict`, { ...asked, headers })).json, { results: [] })
    }).pipe(Effect.scoped)
  )

  it.live("is told of its setup however much else there is to do", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { url } = yield* studio(uploads("1.png"))
      const ours = yield* connected(url, { predict, server: { concurrency: 1, queue: 0 } })
      const waiting = yield* Effect.forkChild(ours.ask([task(1)], config("BrushLabels")))
      yield* eventually(() => entered() === 1)
      assert.strictEqual((yield* ours.ask([task(1)], config("BrushLabels"))).status, 503)
      const { status } = yield* ask(
        `${ours.url}/setup`,
        jsonBody({ project: "1.1", schema: config("BrushLabels") })
      )
      assert.strictEqual(status, 200)
      open()
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("is another version with each model, option and set of labels, and the same after a restart", () =>
    Effect.gen(function* () {
      const version = Effect.fnUntraced(function* (
        options: LabelStudioDialect.LabelStudioDialectOptions = {},
        schema = config("BrushLabels"),
        classes = Fixtures.classes
      ) {
        const describe = Effect.succeed({ name: "test", classes })
        const { url } = yield* serve(
          undefined,
          { dialects: [LabelStudioDialect.make(options)] },
          { describe }
        )
        const { json } = yield* ask(`${url}/setup`, jsonBody({ project: "1.1", schema }))
        return String(json["model_version"])
      })
      const url = new URL("http://localhost:8080")
      const all = [
        yield* version(),
        yield* version({ fingerprint: "other weights" }),
        yield* version({ minArea: 5 }),
        yield* version({ per: "class" }),
        yield* version({ tolerance: 1 }),
        yield* version({ url }),
        yield* version({ url, key: Redacted.make(key) }),
        yield* version({ hosts: ["a.example"] }),
        yield* version({}, config("PolygonLabels")),
        yield* version({}, config("BrushLabels", labels("scratch"))),
        yield* version({}, config("BrushLabels", undefined, 'model_score_threshold="0.5"')),
        yield* version({}, undefined, [...Fixtures.classes, { id: 9, name: "pit" }])
      ]
      assert.strictEqual(new Set(all).size, all.length)
      assert.strictEqual(yield* version(), all[0])
      assert.strictEqual(yield* version({ minArea: 1, per: "region" }), all[0])
      assert.notInclude(all.join(" "), key)
    }).pipe(Effect.scoped)
  )

  it.live("is refused where it is no request of its", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects: [LabelStudioDialect.make()] })
      for (const body of [
        {},
        { tasks: [task(1)] },
        { tasks: {}, label_config: "<View/>" },
        { tasks: [{}], label_config: "<View/>" }
      ]) {
        const { json, status } = yield* ask(`${url}/predict`, jsonBody(body))
        assert.deepStrictEqual([status, json["status"]], [400, 400])
      }
      const broken = yield* ask(`${url}/setup`, jsonBody({ project: "1.1", schema: "<View>" }))
      assert.strictEqual(broken.status, 400)
      assert.include(String(broken.json["detail"]), "labelling configuration")
    }).pipe(Effect.scoped)
  )
})
