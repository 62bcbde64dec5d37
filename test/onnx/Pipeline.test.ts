/** What stands around a model: whose turn it is, and what becomes of pictures that nobody waits for or that cannot be done. */
import { assert, describe, it } from "@effect/vitest"
import * as Pipeline from "../../src/onnx/session/Pipeline.ts"
import { defaults, type Input, type Preprocessing } from "../../src/image/Preprocessing.ts"

const size = { width: 2, height: 2 }
const plain = { ...size, confidence: false }

/** Class ids at the input's size, as many as its first value says: told apart by their pictures. */
const ids = (input: Input) => ({
  kind: "int32",
  dims: [1, input.height, input.width],
  data: new Int32Array(input.width * input.height).fill(Math.round(input.data[0]!)),
  input: input.data
})

interface Bench {
  readonly pipeline: Pipeline.Pipeline
  /** What happened, in order. */
  readonly log: Array<string>
  readonly inputs: Array<Float32Array>
  /** Ends the run that the model is at. */
  readonly finish: (how?: "fails") => Promise<void>
  readonly send: (value: number, picture?: typeof plain & { readonly logits?: boolean }) => void
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

const bench = async (preprocessing: Partial<Preprocessing> = {}): Promise<Bench> => {
  const log: Array<string> = []
  const inputs: Array<Float32Array> = []
  let warm = false
  let over: ((how?: "fails") => void) | undefined
  const model = Pipeline.inTurn((input: Input): Promise<ReturnType<typeof ids>> => {
    if (!warm) {
      warm = true
      return Promise.resolve(ids({ ...input, data: input.data.fill(0) }))
    }
    inputs.push(input.data)
    log.push(`run ${input.data[0]}`)
    return new Promise((resolve, reject) => {
      over = (how) => (how === undefined ? resolve(ids(input)) : reject(new Error("it fails")))
    })
  })
  const raw = { ...defaults, size, scale: 1, mean: [0, 0, 0], std: [1, 1, 1], ...preprocessing }
  const pipeline = await Pipeline.start(
    { width: undefined, height: undefined, ...model },
    { preprocessing: raw, expected: { classes: 0 } },
    {
      begun: (number) => log.push(`begun ${number}`),
      done: (outcome, number) => {
        if (outcome._tag === "Labels" && outcome.labelMap.data[0] === 13) throw new Error("it is not taken")
        log.push(`done ${number}: ${outcome._tag === "Labels" ? outcome.labelMap.data[0] : "logits"}`)
      },
      failed: (detail, number) => log.push(`failed ${number}: ${detail}`)
    }
  )
  return {
    pipeline,
    log,
    inputs,
    finish: async (how) => {
      over?.(how)
      await settled()
    },
    send: (value, picture = plain) => {
      const { end, push } = pipeline.open(picture)
      push(new Uint8Array(picture.width * picture.height * 3).fill(value))
      end()
    }
  }
}

describe("what stands around a model", () => {
  it("gives it the next picture before the last one is read, one at a time", async () => {
    const { finish, log, send } = await bench()
    for (const value of [1, 2, 3]) send(value)
    await settled()
    assert.deepStrictEqual(log, ["begun 0", "run 1"])
    await finish()
    assert.deepStrictEqual(log.slice(2), ["begun 1", "run 2", "done 0: 1"])
    await finish()
    await finish()
    assert.deepStrictEqual(log.slice(5), ["begun 2", "run 3", "done 1: 2", "done 2: 3"])
  })

  it("works in memory that it has used before, and never in what the model is at", async () => {
    const { finish, inputs, send } = await bench()
    send(1)
    await settled()
    send(2)
    await finish()
    assert.notStrictEqual(inputs[1], inputs[0])
    send(3)
    await finish()
    assert.strictEqual(inputs[2], inputs[0])
    await finish()
  })

  it("never gives it a picture that nobody waits for, and says so in its turn", async () => {
    const { finish, log, pipeline, send } = await bench()
    for (const value of [1, 2, 3]) send(value)
    await settled()
    pipeline.cancel(1)
    // Too late for one that has begun, and for one that is done.
    pipeline.cancel(0)
    await finish()
    assert.deepStrictEqual(log.slice(2), [
      "begun 2",
      "run 3",
      "done 0: 1",
      "failed 1: nobody waits for it any more"
    ])
    await finish()
    pipeline.cancel(2)
    send(4)
    await settled()
    await finish()
    assert.deepStrictEqual(log.slice(6), ["done 2: 3", "begun 3", "run 4", "done 3: 4"])
  })

  it("goes on after one that the model fails on, and after one whose answer is not taken", async () => {
    const { finish, log, send } = await bench()
    for (const value of [1, 13, 3]) send(value)
    await settled()
    await finish("fails")
    await finish()
    await finish()
    assert.deepStrictEqual(
      log.filter((line) => !/^(run|begun)/.test(line)),
      ["failed 0: it fails", "failed 1: it is not taken", "done 2: 3"]
    )
  })

  it("refuses what its settings cannot do with, in its turn", async () => {
    const { finish, log, send } = await bench({ size: undefined, pad: { width: 4, height: 4 } })
    send(1)
    send(2, { ...plain, width: 9, height: 2 })
    await settled()
    assert.deepStrictEqual(log, ["begun 0", "run 1"])
    await finish()
    assert.strictEqual(log[2], "done 0: 1")
    assert.match(log[3] ?? "", /^failed 1: the model's preprocessor pads to 4 x 4, and the picture is 9 x 2/)
  })
})
