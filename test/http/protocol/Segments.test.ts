/** Maps of segments: what is listed beside them or around them says of what class each is, or the answer is refused. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ImageSource } from "effect-segformer"
import { Custom, TorchServe } from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"
import { answer, base64, grey, labelsOf } from "./maskAnswers.ts"

const [width, height] = [48, 32]
/** Segment 1 on the left, 2 on the right. */
const values = Array.from({ length: width * height }, (_, at) => (at % width < 24 ? 1 : 2))
const map = Array.from({ length: height }, (_, y) => values.slice(y * width, (y + 1) * width))
const png = base64(grey(width, height, values))
const none = map.map((row) => row.map(() => 0))

const good = { id: 2, label_id: 3 }
const decode = (body: unknown) =>
  Effect.forEach([Custom.make(), TorchServe.make({ model: "m" })], (protocol) =>
    Effect.flatMap(ImageSource.bytes(Fixtures.image).open(), (image) =>
      protocol.predict === undefined
        ? protocol.decode(answer(body), image)
        : Effect.die("it takes more than one request")
    )
  )

describe("a map of segments", () => {
  it.effect.each([
    [
      "no label",
      { segmentation: map, segments_info: [{ id: 1, score: 1 }, good] },
      /`segments_info.0`.*no label/
    ],
    [
      "no label at the end",
      { segmentation: map, segments_info: [good, { id: 1 }] },
      /`segments_info.1`.*no label/
    ],
    [
      "a label that is null",
      { segmentation: map, segments_info: [{ id: 1, category_id: null }, good] },
      /info.0`/
    ],
    ["no label at all", { segmentation: map, segments_info: [{ id: 1 }, { id: 2 }] }, /`segments_info.0`/],
    ["no id", { segmentation: map, segments_info: [{ label_id: 1 }, good] }, /`segments_info.0`.*no id/],
    ["no ids at all", { segmentation: map, segments_info: [{ label_id: 1 }] }, /`segments_info.0`.*no id/],
    ["null", { segmentation: map, segments_info: [null, good] }, /`segments_info.0`/],
    ["texts", { segmentation: map, segments_info: ["road", "sky"] }, /`segments_info.0`/],
    ["an object", { segmentation: map, segments_info: { 1: "road" } }, /`segments_info`: it is no list/],
    ["nothing", { segmentation: map, segments_info: [] }, /`segmentation`.*segment 1/],
    ["nothing, in a picture", { segmentation: png, segments_info: [] }, /`segmentation`.*segment 1/],
    ["nothing, by a short name", { segmentation: map, segments: [] }, /`segmentation`.*segment 1/],
    [
      "no label, by a short name",
      { segmentation: map, segments: [{ id: 1, score: 1 }] },
      /`segments.0`.*no label/
    ],
    ["nothing, in camel case", { panopticSeg: map, segmentsInfo: [] }, /`panopticSeg`.*segment 1/],
    ["no label, around it", { result: { mask: map }, segments_info: [{ id: 1 }] }, /`segments_info.0`/],
    ["nothing, around an object", { segmentation: { data: map }, segments_info: [] }, /segment 1/],
    [
      "a segment of two classes",
      { segmentation: map, segments_info: [{ id: 1, label_id: 17 }, good, { id: 1, label_id: 9 }] },
      /`segments_info.2`.*of another class/
    ],
    [
      "a segment of two names",
      { segmentation: map, segments_info: [{ id: 1, label: "a" }, { id: 1, label: "b" }, good] },
      /`segments_info.1`.*of another class/
    ]
  ] as const)("is refused where what is listed has %s", ([, body, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decode(body))
      assert.strictEqual(error._tag, "ResponseNotDecodable")
      assert.match(error.message, message)
    })
  )

  const segments = [{ id: 1, label_id: 7 }, good]
  it.effect.each([
    ["beside it", { segmentation: map, segments_info: segments }, [7, 3]],
    ["in a picture", { segmentation: png, segments_info: segments }, [7, 3]],
    ["around it", { result: { mask: map }, segments_info: segments }, [7, 3]],
    ["around an object", { segmentation: { data: map }, segments_info: segments }, [7, 3]],
    ["twice the same", { segmentation: map, segments_info: [...segments, good] }, [7, 3]],
    ["none, of background", { segmentation: none, segments_info: [] }, [255, 255]],
    ["null", { segmentation: map, segments_info: null }, [1, 2]],
    ["segments of something else", { mask: map, segments: [{ start: 0, end: 4 }] }, [1, 2]]
  ] as const)("is read by what is listed: %s", ([, body, [left, right]]) =>
    Effect.map(decode(body), (predictions) => {
      for (const prediction of predictions) {
        const { data } = labelsOf(prediction)
        assert.deepStrictEqual([data[0], data[width - 1]], [left, right])
      }
    })
  )
})
