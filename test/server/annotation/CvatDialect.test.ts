/** CVAT's requests, as it sends them to Nuclio, and what it makes of the answers. */
import { assert, describe, it } from "@effect/vitest"
import sharp from "sharp"
import { Effect } from "effect"
import { CvatDialect, type SegFormerServerOptions } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask, jsonBody, type Predict, serve } from "../support.ts"

const { height, width } = Fixtures
const labelMap = Fixtures.prediction.labelMap
const frame = Buffer.from(Fixtures.image).toString("base64")

interface Shape {
  readonly label: string
  readonly type: string
  readonly points: ReadonlyArray<number>
  readonly mask?: ReadonlyArray<number>
  readonly confidence?: string
  readonly attributes: ReadonlyArray<unknown>
}
interface Described {
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> }
  readonly spec: { readonly description: string }
  readonly status: { readonly state: string; readonly httpPort: number }
}

const started = Effect.fnUntraced(function* (
  options: Parameters<typeof CvatDialect.make>[0] = {},
  predict?: Predict,
  more: SegFormerServerOptions = {}
) {
  const server = yield* serve(predict, { dialects: [CvatDialect.make(options)], ...more })
  const invoke = (name: string, body: unknown) =>
    ask(`${server.url}/api/function_invocations`, {
      ...jsonBody(body),
      headers: {
        "content-type": "application/json",
        "x-nuclio-function-name": name,
        "x-nuclio-path": "/",
        "x-nuclio-project-name": "cvat",
        "x-nuclio-function-namespace": "nuclio",
        "x-nuclio-invoke-via": "domain-name",
        "X-Nuclio-Invoke-Timeout": "120s"
      }
    })
  const detect = (name: string, body: object = {}) =>
    Effect.map(invoke(name, { image: frame, ...body }), ({ body: answer }): ReadonlyArray<Shape> =>
      JSON.parse(answer.toString())
    )
  return { ...server, invoke, detect }
})

/** As CVAT reads a mask: its box last, with both its edges in it, the pixels of the box before. */
const painted = (shapes: ReadonlyArray<Shape>, ids: Readonly<Record<string, number>>) => {
  const map = Array.from({ length: width * height }, () => 0)
  for (const { label, mask = [] } of shapes) {
    const [left = 0, top = 0, right = 0, bottom = 0] = mask.slice(-4)
    const pixels = mask.slice(0, -4)
    assert.lengthOf(pixels, (right - left + 1) * (bottom - top + 1))
    pixels.forEach((value, i) => {
      assert.isTrue(value === 0 || value === 1)
      const x = left + (i % (right - left + 1))
      const y = top + Math.floor(i / (right - left + 1))
      if (value === 1) map[y * width + x] = ids[label] ?? -1
    })
  }
  return map
}

describe("CVAT", () => {
  it.live("finds a function for each kind of shape, and one for clicks", () =>
    Effect.gen(function* () {
      const { port, url } = yield* started()
      const { body } = yield* ask(`${url}/api/functions`, {
        headers: { "x-nuclio-function-namespace": "nuclio" }
      })
      const functions: Readonly<Record<string, Described>> = JSON.parse(body.toString())
      assert.deepStrictEqual(Object.keys(functions), ["test", "test-polygons", "test-boxes", "test-click"])
      for (const [name, { metadata, spec, status }] of Object.entries(functions)) {
        assert.strictEqual(metadata.name, name)
        assert.match(name, /^[\w.-]+$/)
        assert.deepStrictEqual(status, { state: "ready", httpPort: port })
        assert.isAbove(spec.description.length, 0)
        const one = yield* ask(`${url}/api/functions/${name}`)
        assert.deepStrictEqual(JSON.parse(one.body.toString()), functions[name])
      }
      const types = Object.values(functions).map(({ metadata }) => {
        const { annotations } = metadata
        const labels: ReadonlyArray<{ readonly name: string; readonly type: string }> = JSON.parse(
          annotations["spec"] ?? ""
        )
        return [annotations["type"], ...labels.map(({ name, type }) => `${name}: ${type}`)]
      })
      assert.deepStrictEqual(types, [
        ["detector", "particle: mask", "scratch: mask"],
        ["detector", "particle: polygon", "scratch: polygon"],
        ["detector", "particle: rectangle", "scratch: rectangle"],
        ["interactor"]
      ])
      const unknown = yield* ask(`${url}/api/functions/other`)
      assert.strictEqual(unknown.status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("knows a model by a name that it takes, and each class once", () =>
    Effect.gen(function* () {
      const classes = ["background", "a", "b", "a"].map((name, id) => ({ id, name }))
      const describe = Effect.succeed({ name: "Lab/B0 (größer)", classes })
      const { url } = yield* serve(undefined, { dialects: [CvatDialect.make()] }, { describe })
      const { json } = yield* ask(`${url}/api/functions`)
      for (const name of Object.keys(json)) assert.match(name, /^[a-zA-Z0-9_.-]+$/)
      const [first] = Object.values(json) as ReadonlyArray<Described>
      const labels: ReadonlyArray<{ readonly name: string }> = JSON.parse(
        first?.metadata.annotations["spec"] ?? ""
      )
      assert.deepStrictEqual(
        labels.map(({ name }) => name),
        ["a", "b"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("gets masks that are the label map, in boxes with both their edges in them", () =>
    Effect.gen(function* () {
      const { detect } = yield* started()
      const shapes = yield* detect("test")
      for (const { points, type } of shapes) {
        assert.strictEqual(type, "mask")
        assert.isAtLeast(points.length, 6)
        assert.strictEqual(points.length % 2, 0)
      }
      assert.deepStrictEqual(painted(shapes, { particle: 1, scratch: 2 }), [...labelMap.data])
    }).pipe(Effect.scoped)
  )

  it.live(
    "gets a mask of each region or of each class, none that is small, and only what is sure enough",
    () =>
      Effect.gen(function* () {
        const data = Float32Array.from(labelMap.data, (id) => (id === 1 ? 0.25 : 0.75))
        const predict: Predict = () =>
          Effect.succeed({ ...Fixtures.prediction, confidence: { width, height, data } })
        const whole = yield* started({ per: "class" }, predict)
        const classes = yield* whole.detect("test")
        assert.deepStrictEqual(classes.map(({ confidence, label }) => [label, confidence]).sort(), [
          ["particle", "0.25"],
          ["scratch", "0.75"]
        ])
        assert.deepStrictEqual(painted(classes, { particle: 1, scratch: 2 }), [...labelMap.data])
        for (const name of ["test", "test-polygons", "test-boxes"]) {
          const sure = yield* whole.detect(name, { threshold: 0.5 })
          assert.deepStrictEqual([...new Set(sure.map(({ label }) => label))], ["scratch"], name)
          assert.isAbove((yield* whole.detect(name, { threshold: 0 })).length, sure.length)
          assert.isAbove((yield* whole.detect(name, { threshold: null })).length, sure.length)
        }
        const large = yield* started({ minArea: width * height }, predict)
        assert.deepStrictEqual(yield* large.detect("test"), [])
      }).pipe(Effect.scoped)
  )

  it.live("gets polygons and boxes in pixels of the frame", () =>
    Effect.gen(function* () {
      const { detect } = yield* started()
      const boxes = yield* detect("test-boxes")
      const polygons = yield* detect("test-polygons")
      assert.lengthOf(polygons, boxes.length)
      boxes.forEach(({ points: [left = 0, top = 0, right = 0, bottom = 0], type }, i) => {
        assert.strictEqual(type, "rectangle")
        const polygon = polygons[i]!
        assert.strictEqual(polygon.type, "polygon")
        const xs = polygon.points.filter((_, at) => at % 2 === 0)
        const ys = polygon.points.filter((_, at) => at % 2 === 1)
        assert.deepStrictEqual(
          [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)],
          [left, top, right, bottom]
        )
      })
    }).pipe(Effect.scoped)
  )

  it.live("gets the region at the click, without those that are clicked away, as large as the frame", () =>
    Effect.gen(function* () {
      const { invoke } = yield* started()
      const center = (id: number): readonly [number, number] => {
        const at = labelMap.data.indexOf(id)
        return [(at % width) + 0.4, Math.floor(at / width) + 0.9]
      }
      const click = Effect.fnUntraced(function* (
        pos_points: unknown,
        neg_points: unknown = [],
        obj_bbox: unknown = null
      ) {
        const { body, status } = yield* invoke("test-click", {
          image: frame,
          pos_points,
          neg_points,
          obj_bbox
        })
        assert.strictEqual(status, 200)
        const { mask }: { readonly mask: ReadonlyArray<ReadonlyArray<number>> } = JSON.parse(body.toString())
        assert.lengthOf(mask, height)
        for (const row of mask) assert.lengthOf(row, width)
        return mask.flat()
      })
      const scratch = yield* click([center(2)])
      assert.isTrue(scratch.every((inside, i) => inside === 0 || labelMap.data[i] === 2))
      assert.strictEqual(scratch[labelMap.data.indexOf(2)], 1)
      const both = yield* click([center(1), center(2)])
      assert.isTrue(both.some((inside, i) => inside === 1 && labelMap.data[i] === 1))
      const away = yield* click([center(1), center(2)], [center(1)])
      assert.deepStrictEqual(away, scratch)
      const nothing = Array.from({ length: width * height }, () => 0)
      for (const outside of [[], [[-1, 0]], [[0, -0.5]], [[width, 0]], [[0, height]], [[1e9, 1e9]]])
        assert.deepStrictEqual(yield* click(outside), nothing, JSON.stringify(outside))
      const all = labelMap.data.map((id) => (id === 0 ? 0 : 1))
      assert.deepStrictEqual(
        yield* click(
          [],
          [],
          [
            [0, 0],
            [width, height]
          ]
        ),
        [...all]
      )
      assert.deepStrictEqual(
        yield* click(
          [],
          [],
          [
            [width, height],
            [-5, -5]
          ]
        ),
        [...all]
      )
    }).pipe(Effect.scoped)
  )

  it.live("is told what to do where the masks of a picture would have no end", () =>
    Effect.gen(function* () {
      const side = 1000
      const png = yield* Effect.promise(async () => {
        const picture = sharp({ create: { width: side, height: side, channels: 3, background: "#888" } })
        return (await picture.png().toBuffer()).toString("base64")
      })
      // Stripes from corner to corner, each in a box as large as the picture.
      const data = Uint8Array.from(
        { length: side * side },
        (_, i) => (((i % side) + Math.floor(i / side)) >> 1) % 3
      )
      const predict: Predict = () =>
        Effect.succeed({
          _tag: "Labels",
          classes: Fixtures.classes,
          labelMap: { width: side, height: side, data }
        })
      const each = yield* started({}, predict)
      const { json, status } = yield* each.invoke("test", { image: png })
      assert.strictEqual(status, 413)
      assert.include(String(json["error"]), "--objects class")
      const whole = yield* started({ per: "class" }, predict)
      const answer = yield* whole.invoke("test", { image: png })
      assert.strictEqual(answer.status, 200)
      const shapes: ReadonlyArray<Shape> = JSON.parse(answer.body.toString())
      assert.deepStrictEqual(
        shapes.map(({ mask = [] }) => mask.slice(0, -4).filter((value) => value === 1).length),
        [1, 2].map((id) => data.filter((own) => own === id).length)
      )
    }).pipe(Effect.scoped)
  )

  it.live("may ask a function directly, which is told by what it is asked", () =>
    Effect.gen(function* () {
      const { detect, url } = yield* started()
      const direct = yield* ask(url, jsonBody({ image: frame }))
      assert.deepStrictEqual(JSON.parse(direct.body.toString()), yield* detect("test"))
      const click = yield* ask(
        url,
        jsonBody({ image: frame, pos_points: [[0, 0]], neg_points: [], obj_bbox: null })
      )
      assert.isDefined(click.json["mask"])
    }).pipe(Effect.scoped)
  )

  it.live("takes frames of 32 MiB, and is told what is wrong with others", () =>
    Effect.gen(function* () {
      const { invoke, url } = yield* started()
      // What comes after the end of a PNG is not looked at.
      const large = Buffer.concat([Fixtures.image, Buffer.alloc(32 * 1024 * 1024)]).toString("base64")
      assert.strictEqual((yield* invoke("test-boxes", { image: large })).status, 200)
      for (const [body, status] of [
        [{}, 400],
        [{ image: "no base64!" }, 400],
        [{ image: Buffer.from("text").toString("base64") }, 400],
        [{ image: frame, threshold: "high" }, 400],
        [{ image: frame, pos_points: [["a", "b"]] }, 400]
      ] as const) {
        const answer = yield* invoke("test", body)
        assert.strictEqual(answer.status, status, JSON.stringify(body))
        assert.isString(answer.json["error"])
      }
      assert.strictEqual((yield* invoke("other", { image: frame })).status, 404)
      const nameless = yield* ask(`${url}/api/function_invocations`, jsonBody({ image: frame }))
      assert.strictEqual(nameless.status, 404)
    }).pipe(Effect.scoped)
  )
})
