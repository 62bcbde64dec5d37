/** Which side of an output holds the classes, and what is refused: by its numbers alone, without a runtime. */
import { assert, describe, it } from "@effect/vitest"
import * as Meaning from "../../src/onnx/session/Meaning.ts"
import { read } from "../../src/onnx/session/Output.ts"
import * as WeightFiles from "../../src/onnx/WeightFiles.ts"

type Said = Partial<Meaning.Output>

/** What is made of an output of these sides, whose numbers are their places. */
const found = (
  dims: ReadonlyArray<number>,
  classes: number,
  [height, width]: readonly [number, number],
  said: Said = {},
  more = false
) => {
  const length = dims.reduce((product, side) => product * side, 1)
  const data = Float32Array.from({ length }, (_, at) => at)
  return Meaning.of({ data, dims, kind: "float32", ...said }, { classes, more }, { height, width })
}

const sidesOf = (...args: Parameters<typeof found>) => {
  const meant = found(...args)
  if (meant._tag !== "Logits") return meant._tag
  const { classes, data, height, width } = meant.logits
  // The second number of an output is of the second column, or of the second class.
  const isLast = data[height * width] === 1
  return `${classes} of ${height} x ${width}${isLast ? ", last" : ""}`
}

describe("which side holds the classes", () => {
  it.each([
    // The one that is as many as there are.
    [[1, 6, 16, 12], 6, [64, 48], {}, "6 of 16 x 12"],
    [[1, 16, 12, 6], 6, [64, 48], {}, "6 of 16 x 12, last"],
    // Both: as the model says of its output.
    [[1, 6, 6, 6], 6, [24, 24], { isLast: true }, "6 of 6 x 6, last"],
    [[1, 6, 6, 6], 6, [24, 24], { isLast: false, takesLast: true }, "6 of 6 x 6"],
    // Both: as the picture lies, upright or not, rounded up or down.
    [[1, 6, 8, 6], 6, [24, 32], {}, "6 of 6 x 8, last"],
    [[1, 6, 8, 6], 6, [32, 24], {}, "6 of 8 x 6"],
    [[1, 20, 21, 20], 20, [81, 80], {}, "20 of 21 x 20"],
    [[1, 20, 21, 20], 20, [80, 81], {}, "20 of 20 x 21, last"],
    [[1, 20, 21, 20], 20, [84, 83], {}, "20 of 21 x 20"],
    // Both, and nothing says: first, as by far the most have them.
    [[1, 6, 6, 6], 6, [24, 24], {}, "6 of 6 x 6"],
    // Without a number of classes, as the picture is divided.
    [[1, 19, 16, 16], 0, [64, 64], {}, "19 of 16 x 16"],
    [[1, 16, 16, 19], 0, [64, 64], {}, "19 of 16 x 16, last"],
    [[1, 21, 20, 19], 0, [78, 75], {}, "21 of 20 x 19"],
    [[1, 20, 19, 21], 0, [78, 75], { takesLast: true }, "21 of 20 x 19, last"],
    // With more classes than have names.
    [[1, 150, 16, 16], 2, [64, 64], {}, "150 of 16 x 16"],
    [[1, 16, 16, 150], 2, [64, 64], {}, "150 of 16 x 16, last"]
  ] as const)("%j of %i classes from a picture of %j, %j: %s", (dims, classes, picture, said, expected) => {
    assert.strictEqual(sidesOf(dims, classes, picture, said, classes === 2), expected)
  })

  it("is refused where nothing tells", () => {
    assert.throws(() => found([1, 6, 6, 6], 6, [24, 24], { takesLast: true }), /first or last/)
    assert.throws(() => found([1, 5, 9, 9], 6, [36, 36]), /names 6 classes: no side of it is 6/)
    assert.throws(() => found([1, 7, 33, 5], 0, [64, 64]), /Name its classes/)
  })

  it("is none in a list of positions without a shape, and in nothing", () => {
    assert.throws(() => found([1, 64, 6], 6, [32, 32]), /\[1, 64, 6\]/)
    assert.throws(() => found([1, 6, 64], 6, [32, 32]), /\[1, 6, 64\]/)
    assert.throws(() => found([1, 6, 0, 8], 6, [32, 32]), /in which there is nothing/)
  })

  it("is none where each position has one number, though there are as many columns as classes", () => {
    const ids = { kind: "int64", data: BigInt64Array.from({ length: 48 }, (_, at) => BigInt(at % 6)) }
    for (const dims of [
      [1, 1, 8, 6],
      [1, 8, 6],
      [1, 8, 6, 1]
    ])
      assert.strictEqual(found(dims, 6, [32, 24], ids)._tag, "Ids")
    // One row of logits with the channels last has the same sides.
    assert.strictEqual(sidesOf([1, 1, 8, 6], 6, [4, 32]), "6 of 1 x 8, last")
  })
})

describe("what the numbers are", () => {
  const picture = { height: 1, width: 2 }
  const of = (output: Partial<Meaning.Output>, expected: Parameters<typeof Meaning.of>[1]) =>
    Meaning.of(
      { kind: "float32", dims: [1, 2, 1, 2], data: new Float32Array(4), ...output },
      expected,
      picture
    )

  it("whole ones of several channels are logits, below zero too", () => {
    for (const [kind, data] of [
      ["int8", Int8Array.of(-5, 3, 4, -128)],
      ["int64", BigInt64Array.of(-5n, 3n, 4n, -128n)]
    ] as const) {
      const meant = of({ kind, data }, { classes: 2 })
      assert.deepStrictEqual(meant._tag === "Logits" && meant.logits.data, Float32Array.of(-5, 3, 4, -128))
    }
  })

  it("positions without a number are refused, and a class without one is not", () => {
    const logits = (...data: ReadonlyArray<number>) => of({ data: Float32Array.from(data) }, { classes: 2 })
    assert.throws(() => logits(NaN, 1, NaN, 2), /the logits of 1 of 2 positions are NaN/)
    assert.throws(() => logits(-Infinity, 1, NaN, 2), /the logits of 1 of 2 positions/)
    assert.throws(() => logits(-Infinity, -Infinity, -Infinity, -Infinity), /every logit/)
    assert.strictEqual(logits(NaN, 1, 3, NaN)._tag, "Logits")
    assert.strictEqual(logits(-Infinity, 1, Infinity, 2)._tag, "Logits")
    const scores = { dims: [1, 1, 1, 2], data: Float32Array.of(NaN, 1) }
    assert.throws(() => of(scores, { classes: 2, threshold: 0 }), /the scores of 1 of 2 positions are NaN/)
  })

  it("ids that have no class are refused, with what a mask of 0 and 255 takes", () => {
    const mask = { kind: "uint8", dims: [1, 1, 1, 2], data: Uint8Array.of(0, 255) }
    assert.throws(() => of(mask, { classes: 2 }), /such as 255, which is no class id: give the `threshold`/)
    assert.strictEqual(of(mask, { classes: 256 })._tag, "Ids")
    const cut = of(mask, { classes: 2, threshold: 127 })
    assert.deepStrictEqual(cut._tag === "Scores" && cut.scores.data, Float32Array.of(0, 255))
  })

  it("true and false are ids of two classes, and no two of several", () => {
    const mask = { kind: "bool", dims: [1, 1, 1, 2], data: Uint8Array.of(0, 1) }
    for (const classes of [0, 2]) assert.strictEqual(of(mask, { classes })._tag, "Ids")
    assert.throws(() => of(mask, { classes: 6 }), /true or false.*names 6 classes/)
    assert.strictEqual(of(mask, { classes: 6, threshold: 0.5 })._tag, "Scores")
  })
})

describe("what ONNX Runtime says of a model", () => {
  it.each([
    [
      "Load model from a.onnx failed:Fatal error: my.domain:Pool(-1) is not a registered function/op",
      "it has the operation my.domain:Pool, which this ONNX Runtime does not have"
    ],
    ["In Node, Error No opset import for domain 'my.domain'", "operations of my.domain"],
    [
      `Load model from a.onnx failed:/src/a.h:46 void a::b(${"const std::string&, ".repeat(20)}int) Opset 99 is under development and ` +
        "support for this is limited. Current official support for domain ai.onnx is till opset 26.",
      "(26 is the newest)"
    ],
    ["Opset 99 is under development and", "an opset that this ONNX Runtime does not have:"],
    [`failed: ${"long ".repeat(200)}`, "long"]
  ])("%s", (said, words) => {
    const found = WeightFiles.inWords(said)
    assert.include(found, words)
    assert.isAtMost(found.length, 400)
  })
})

describe("255 among class ids", () => {
  const map = (kind: string, data: Meaning.Output["data"], classes: number) =>
    read({ kind, dims: [1, 1, 1, 3], data }, { width: 3, height: 1, confidence: false }, { classes }).labels

  it("is what has no class where there are more than two, whatever the numbers are kept as", () => {
    for (const [kind, data] of [
      ["uint8", Uint8Array.of(2, 255, 0)],
      ["int64", BigInt64Array.of(2n, 255n, 0n)],
      ["float32", Float32Array.of(2, 255, 0)]
    ] as const)
      assert.deepStrictEqual(map(kind, data, 3), {
        width: 3,
        height: 1,
        data: Uint8Array.of(2, 255, 0),
        ignoreIndex: 255
      })
    assert.isUndefined(map("uint8", Uint8Array.of(2, 1, 0), 3).ignoreIndex)
  })

  it("is a class where it is one, and no other id beyond the classes goes with it", () => {
    assert.isUndefined(map("uint8", Uint8Array.of(2, 255, 0), 256).ignoreIndex)
    assert.throws(() => map("uint8", Uint8Array.of(2, 254, 0), 3), /such as 254/)
    assert.throws(() => map("float32", Float32Array.of(2, 254, 0), 3), /such as 254/)
    assert.throws(() => map("float32", Float32Array.of(1, 255, 0), 2), /such as 255/)
  })

  it("stays that where a picture is cropped, as what was cropped away is", () => {
    const place = { left: -1, top: 0, width: 5, height: 1 }
    const output = { kind: "uint8", dims: [1, 1, 1, 3], data: Uint8Array.of(2, 255, 0) }
    const { labels } = read(
      output,
      { width: 5, height: 1, confidence: false },
      { classes: 3 },
      { width: 3, height: 1, place }
    )
    assert.deepStrictEqual(labels, {
      width: 5,
      height: 1,
      data: Uint8Array.of(255, 2, 255, 0, 255),
      ignoreIndex: 255
    })
  })
})

describe("files that hold a model's weights", () => {
  /** Entries of tensors as a model has them: the key `location`, and the name. */
  const entry = (name: string): Uint8Array => {
    const bytes = new TextEncoder().encode(name)
    const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]
    return Uint8Array.of(0x0a, 8, ...new TextEncoder().encode("location"), 0x12, ...length, ...bytes)
  }
  const outside = (...names: ReadonlyArray<string>) =>
    WeightFiles.outside(Uint8Array.from(names.flatMap((name) => [1, 2, ...entry(name), 0x0a, 9])))

  it("go by any name and any path below the model, each once", () => {
    const names = [
      "model.onnx_data",
      "model (1).onnx_data",
      "Gewichte_ü.bin",
      ".weights",
      "a$&b+c.bin",
      "parts/0/x.bin",
      "n".repeat(127),
      "n".repeat(128),
      "é".repeat(120)
    ]
    assert.deepStrictEqual(outside(...names, "model.onnx_data"), names)
    assert.deepStrictEqual(outside("./x.bin", "././y.bin", "x.bin"), ["x.bin", "y.bin"])
  })

  it("are none that lead elsewhere", () => {
    for (const name of [
      "",
      "/etc/passwd",
      "../x.bin",
      "a/../../x.bin",
      "a//b",
      "C:\\x.bin",
      "a\\..\\x.bin",
      "https://host/x",
      "x\u0000.bin",
      "..",
      "a/.",
      "n".repeat(2000)
    ])
      assert.deepStrictEqual(outside(name), [], JSON.stringify(name))
  })
})
