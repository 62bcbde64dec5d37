/** What people drew in Label Studio, back as label maps. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Annotated, BrushRle, LabelStudioReading } from "effect-segformer/annotation"
import { BinaryMask } from "effect-segformer/mask"
import { encode as encodePng } from "fast-png"
import { classOf, failureOf, rows } from "./annotated.ts"

describe("LabelStudioReading", () => {
  const size = { original_width: 8, original_height: 4, image_rotation: 0 }
  const region = (type: string, value: object, rest: object = {}) => ({
    id: "r1",
    type,
    ...size,
    value,
    ...rest
  })
  const box = (value: object = {}, rest: object = {}) =>
    region(
      "rectanglelabels",
      { x: 25, y: 25, width: 50, height: 50, rotation: 0, rectanglelabels: ["pit"], ...value },
      rest
    )
  const task = (result: ReadonlyArray<object>, rest: object = {}) => ({
    id: 1,
    data: { image: "a.png" },
    annotations: [{ id: 3, result }],
    ...rest
  })
  const read = (given: object, options: LabelStudioReading.Options = {}) =>
    Result.getOrThrow(LabelStudioReading.task(given, options))
  const drawn = (...result: ReadonlyArray<object>) => rows(read(task(result)).image)
  const refused = (given: unknown) => failureOf(LabelStudioReading.task(given))

  const middle = ["00000000", "00111100", "00111100", "00000000"]

  it("reads a rectangle, an outline, a brush, a bitmask and an ellipse to their pixels", () => {
    const mask = BinaryMask.fromRows(middle.map((row) => row.replaceAll("0", ".").replaceAll("1", "#")))
    const alpha = Uint8Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 0 : mask.data[i >> 1]! * 255))
    const png = encodePng({ width: 8, height: 4, channels: 2, depth: 8, data: alpha })
    const imageDataURL = `data:image/png;base64,${Buffer.from(png).toString("base64")}`
    const points = [
      [25, 25],
      [75, 25],
      [75, 75],
      [25, 75]
    ]
    const rle = Array.from(BrushRle.encode(mask))
    for (const one of [
      box(),
      region("polygonlabels", { points, closed: true, polygonlabels: ["pit"] }),
      region("polygonlabels", { points: points.toReversed(), polygonlabels: ["pit"] }),
      region("brushlabels", { format: "rle", rle, brushlabels: ["pit"] }),
      region("bitmasklabels", { imageDataURL, bitmasklabels: ["pit"] }),
      region("vectorlabels", {
        closed: true,
        vertices: points.map(([x, y]) => ({ x, y })),
        vectorlabels: ["pit"]
      })
    ]) {
      assert.deepStrictEqual(drawn(one), middle, one.type)
    }
    const ellipse = { x: 50, y: 50, radiusX: 25, radiusY: 50, rotation: 0, ellipselabels: ["pit"] }
    assert.deepStrictEqual(drawn(region("ellipselabels", ellipse)), [
      "00011000",
      "00111100",
      "00111100",
      "00011000"
    ])
  })

  it("turns rectangles around their top left corner and ellipses around their centre, in pixels and not in percent", () => {
    // A report of 2022: of an image of 1000 x 500, a box at 300, 100 of 300 x 100 turned by 90 is one at 200, 100 of 100 x 300.
    const wide = { original_width: 1000, original_height: 500 }
    const value = { x: 30, y: 20, width: 30, height: 20, rotation: 90 }
    const { image } = read(task([box(value, wide)]))
    const mask = Result.getOrThrow(Annotated.toLabelMap(image!, { classOf, outside: 0 }))
    assert.deepStrictEqual(BinaryMask.box({ ...mask, data: Uint8Array.from(mask.data) }), {
      x: 200,
      y: 100,
      width: 100,
      height: 300
    })
    for (const [rotation, left] of [
      [-270, 2],
      [450, 2],
      [90, 2]
    ] as const) {
      const turned = drawn(box({ x: 50, y: 0, width: 25, height: 50, rotation }))
      assert.deepStrictEqual(
        turned,
        Array.from({ length: 4 }, (_, y) => (y < 2 ? `${"0".repeat(left)}1100${"0".repeat(2)}` : "00000000"))
      )
    }
    const upright = { x: 50, y: 50, radiusX: 37.5, radiusY: 25, ellipselabels: ["pit"] }
    const flat = drawn(region("ellipselabels", { ...upright, rotation: 0 }))
    assert.deepStrictEqual(drawn(region("ellipselabels", { ...upright, rotation: 180 })), flat)
    const stood = drawn(region("ellipselabels", { ...upright, rotation: 90 }))
    assert.deepStrictEqual(
      stood.map((row) => row.slice(3, 5)),
      ["11", "11", "11", "11"]
    )
    assert.notDeepEqual(stood, flat)
  })

  it("paints later regions over earlier ones, and joins a region with the label of another tag", () => {
    const over = { x: 50, y: 0, width: 50, height: 100, rotation: 0 }
    const apart = [
      { id: "b", type: "rectangle", ...size, value: over },
      { id: "b", type: "labels", ...size, value: { ...over, labels: ["scratch"] } }
    ]
    assert.deepStrictEqual(drawn(box(), ...apart), ["00002222", "00112222", "00112222", "00002222"])
    assert.deepStrictEqual(drawn(...apart, box()), ["00002222", "00111122", "00111122", "00002222"])
    const alone = { id: "c", type: "labels", ...size, value: { ...over, labels: ["scratch"] } }
    assert.deepStrictEqual(drawn(alone), Array(4).fill("00002222"))
  })

  it("leaves out what is no area or has no label, and counts it", () => {
    const found = read(
      task([
        box(),
        { id: "c", type: "choices", value: { choices: ["yes"] } },
        {
          id: "k",
          type: "keypointlabels",
          ...size,
          value: { x: 1, y: 1, width: 1, keypointlabels: ["pit"] }
        },
        { type: "relation", from_id: "r1", to_id: "c", direction: "right" },
        { id: "e", type: "ellipse", ...size, value: { x: 50, y: 50, radiusX: 9, radiusY: 9, rotation: 0 } }
      ])
    )
    assert.deepStrictEqual(rows(found.image), middle)
    assert.deepStrictEqual(found.leftOut, [
      "a choices is no area",
      "a keypointlabels is no area",
      "a relation is no area",
      "a region has no label"
    ])
  })

  it("takes the annotation that is marked as true, or the one that is asked for, and never one of several by chance", () => {
    const at = (id: number, x: number, rest: object = {}) => ({
      id,
      result: [box({ x, width: 25 })],
      ...rest
    })
    const left = (given: object, options?: LabelStudioReading.Options) =>
      rows(read(given, options).image)[1]!.indexOf("1")
    const older = at(7, 0, { updated_at: "2026-01-02T10:00:00Z" })
    const newer = at(4, 50, { updated_at: "2026-03-01T00:00:00.5Z" })
    const skipped = at(9, 75, { was_cancelled: true })
    const two = { ...task([]), annotations: [newer, older, skipped] }
    assert.match(refused(two), /has 2 annotations \(4, 7\).*mark one as ground truth, or give prefer newest$/)
    assert.strictEqual(left(two, { prefer: "newest" }), 4)
    assert.strictEqual(left(two, { prefer: "oldest" }), 0)
    const marked = { ...two, annotations: [newer, { ...older, ground_truth: true }] }
    assert.strictEqual(left(marked), 0)
    const both = {
      ...two,
      annotations: [
        { ...newer, ground_truth: true },
        { ...older, ground_truth: true }
      ]
    }
    assert.match(refused(both), /has 2 annotations marked as ground truth \(/)
    // One that nobody marked is not truer for being newer.
    const newest = { ...newer, id: 99, updated_at: "2030-01-01T00:00:00Z", result: [] }
    const three = { ...both, annotations: [...both.annotations, newest] }
    assert.strictEqual(left(three, { prefer: "newest" }), 4)
    assert.strictEqual(left(three, { prefer: "oldest" }), 0)
    assert.strictEqual(left({ ...two, annotations: [skipped, older] }), 0)
    assert.isUndefined(read({ ...two, annotations: [skipped] }).image)
    assert.isUndefined(read({ ...two, annotations: [] }).image)
    assert.strictEqual(left({ id: 1, data: two.data, completions: [older] }), 0)
  })

  it("knows an image on which nothing was drawn: all of it is outside, at the size it is given", () => {
    const { image } = read(task([]))
    assert.isUndefined(image?.size)
    assert.deepStrictEqual(rows(image, { width: 3, height: 2 }), ["000", "000"])
  })

  it("says which image it is: what Label Studio adds to names goes", () => {
    const named = (data: object) => read({ ...task([]), data }).image?.name
    for (const [address, name] of [
      ["/data/upload/12/0a1b2c3d-my%20board.jpg", "my board.jpg"],
      ["/data/upload/12/board.jpg", "board.jpg"],
      ["http://localhost:8080/data/upload/1/deadbeef-b.png", "b.png"],
      ["/data/local-files/?d=photos/day%201/a.jpg", "photos/day 1/a.jpg"],
      ["/data/local-files?d=a%2Bb%3F.jpg", "a+b?.jpg"],
      ["s3://bucket/photos/a%20b.jpg", "photos/a%20b.jpg"],
      ["gs://bucket/a#1?.jpg", "a#1?.jpg"],
      ["https://host/photos/%C3%BC.jpg?X-Amz-Signature=1#x", "photos/ü.jpg"],
      [
        `/tasks/3/presign/?fileuri=${Buffer.from("s3://b/photos/ü.jpg").toString("base64url")}`,
        "photos/ü.jpg"
      ],
      [`/tasks/3/resolve/?fileuri=${Buffer.from("s3://b/p.jpg").toString("base64")}`, "p.jpg"],
      ["photos/sub/100%.png", "photos/sub/100%.png"]
    ]) {
      assert.strictEqual(named({ image: address }), name, address)
    }
    // Whoever segments the folder of uploads has their names.
    const upload = { image: "/data/upload/10/61148fa2-frame%200190.jpg" }
    const { alias, name } = read({ ...task([]), data: upload }).image ?? {}
    assert.deepStrictEqual([name, alias], ["frame 0190.jpg", "61148fa2-frame 0190.jpg"])
    assert.strictEqual(named({ photo: "https://h/x.jpg", note: "all well" }), "x.jpg")
    assert.match(refused({ ...task([box()]), data: { a: "x.jpg", b: "y.jpg" } }), /several fields/)
    assert.match(
      refused({ ...task([box()]), data: { text: "hello" } }),
      /no field of its data names an image/
    )
  })

  it("says what cannot be told of a task, and shows no other pixels", () => {
    for (const [given, said] of [
      [null, /no object/],
      [{ image: "/x.jpg", tag: [] }, /export as JSON, not as JSON-MIN/],
      [{ data: { image: "/x.jpg" }, predictions: [{ result: [] }] }, /has predictions and no annotations/],
      [task([box({}, { image_rotation: 90 })]), /turned by 90°/],
      [task([box({}, { item_index: 1 })]), /image 1 of a list/],
      [task([box({}, { original_width: undefined })]), /no original_width/],
      [task([box({}, { original_width: 0 })]), /no original_width/],
      [task([box(), box({}, { id: "s", original_width: 9 })]), /8 x 4 and 9 x 4 pixels/],
      [task([box(), box()]), /is there twice/],
      [task([box({ rectanglelabels: ["pit", "scratch"] })]), /has 2 labels/],
      [task([box({ width: "50" })]), /no width that is a number/],
      [task([region("brushlabels", { rle: [1, 256], brushlabels: ["pit"] })]), /no list of bytes/],
      [
        task([
          region("bitmasklabels", { imageDataURL: "data:image/jpeg;base64,AA", bitmasklabels: ["pit"] })
        ]),
        /no PNG/
      ],
      [
        task([
          region("polygonlabels", {
            points: [
              [1, 1],
              [2, 2]
            ],
            polygonlabels: ["pit"]
          })
        ]),
        /fewer than three/
      ],
      [
        task([region("polygonlabels", { points: [[1, 1], [2, 2], [3]], polygonlabels: ["pit"] })]),
        /no two numbers/
      ],
      [
        task([
          region("polygonlabels", {
            points: [
              [1, 1],
              [2, 2],
              [3, 1]
            ],
            closed: false,
            polygonlabels: ["pit"]
          })
        ]),
        /not closed/
      ],
      [
        task([
          region("vectorlabels", {
            vertices: [1, 2, 3].map((x) => ({ x, y: x, isBezier: true })),
            vectorlabels: ["pit"]
          })
        ]),
        /curves/
      ],
      [task([region("cuboidlabels", { depth: 3, labels: ["pit"] })]), /which is not read/]
    ] as const) {
      assert.match(refused(given), said)
    }
    // A brush of the image lying down, whose number of pixels is the same.
    const lying = Array.from(BrushRle.encode(BinaryMask.empty(9, 4)))
    const { image } = read(task([region("brushlabels", { rle: lying, brushlabels: ["pit"] })]))
    const map = Annotated.toLabelMap(image!, { classOf, outside: 0 })
    assert.match(
      Result.isFailure(map) ? map.failure.detail : "",
      /shape 1, of "pit": it holds 144 values, and 8 x 4 pixels/
    )
    const strange = Annotated.toLabelMap(read(task([box({ rectanglelabels: ["dent"] })])).image!, {
      classOf,
      outside: 0
    })
    assert.match(
      Result.isFailure(strange) ? strange.failure.detail : "",
      /label "dent" is none of the classes/
    )
  })
})
