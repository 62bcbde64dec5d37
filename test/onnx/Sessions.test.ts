import { execFile } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option } from "effect"
import { LabelMap, segment } from "effect-segformer"
import { ModelSource, SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import { defaults } from "../../src/image/Preprocessing.ts"
import * as SessionPool from "../../src/onnx/session/SessionPool.ts"
import type { Outcome, Picture } from "../../src/onnx/session/SessionProcess.ts"
import * as support from "./support.ts"

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  // One that has ended but was not yet waited for by whoever inherited it is dead all the same.
  const stat = `/proc/${pid}/stat`
  return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, "utf8"))
}

const eventually = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.delay(eventually(condition), "20 millis")))

/** A pool on a model of the fixtures that sees pictures at this size. */
const pool = (side: number, options?: { readonly sessions?: number; readonly file?: string }) =>
  Effect.map(
    SessionPool.make({
      model: "test",
      sessions: options?.sessions ?? 1,
      gracePeriod: 100,
      load: {
        type: "load",
        file: support.fixture(options?.file ?? "slow.onnx"),
        threads: 1,
        preprocessing: { ...defaults, size: { width: side, height: side } }
      }
    }),
    (made) => ({ ...made, predict: (picture: Picture) => Effect.map(made.predict(picture), labelsOf) })
  )

/** What was asked for in these tests. */
const labelsOf = (outcome: Outcome) =>
  outcome._tag === "Labels" ? outcome : assert.fail("it gave logits, and was asked for labels")

const red = { ...support.plain(40, 30, 255, 0, 0), confidence: false }

describe("sessions", () => {
  it.live("never hold up the event loop, not even for a picture of 12 megapixels", () =>
    Effect.gen(function* () {
      const picture = support.panel(4000, 3000, 1)
      yield* Effect.gen(function* () {
        const source = yield* support.source(support.plain(4000, 3000, 1, 2, 3))
        // Processor time of this thread between two ticks is what it was held up by; the wall clock would count
        // what other programs on the machine do as well.
        let longest = 0
        let ticks = 0
        let last = process.threadCpuUsage()
        const timer = setInterval(() => {
          const { system, user } = process.threadCpuUsage(last)
          last = process.threadCpuUsage()
          if (ticks++ > 0) longest = Math.max(longest, (system + user) / 1000)
        }, 1)
        const segmentation = yield* segment(source)
        yield* segmentation.labelMap
        clearInterval(timer)
        assert.isAtLeast(ticks, 20)
        assert.isBelow(longest, 20)
      }).pipe(
        Effect.provide(SegFormerOnnx.layer({ threads: 1 }).pipe(Layer.provide(support.fixedCodec(picture))))
      )
    })
  )

  it.live("let an interrupted call return at once, and do the next all the same", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(
        { "model.onnx": "slow.onnx" },
        { preprocessor: { ...support.preprocessor, size: 1024 } }
      )
      yield* Effect.gen(function* () {
        const source = yield* support.source(support.plain(40, 30, 255, 0, 0))
        const started = performance.now()
        const outcome = yield* Effect.timeoutOption(segment(source), "250 millis")
        const took = performance.now() - started
        assert.isTrue(Option.isNone(outcome))
        // The run itself takes many seconds.
        assert.isBelow(took, 1500)
      }).pipe(
        Effect.provide(
          SegFormerOnnx.layer({ model: ModelSource.folder(path), threads: 1 }).pipe(
            Layer.provide(SharpCodec.layer)
          )
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("replace the process of a long interrupted run, and keep that of a short one", () =>
    Effect.gen(function* () {
      const slow = yield* pool(1024)
      const before = yield* slow.pids
      yield* Effect.timeoutOption(slow.predict(red), "50 millis")
      yield* eventually(() => !isAlive(before[0]!))
      let after = yield* slow.pids
      while (after.length === 0 || after[0] === before[0]) {
        yield* Effect.sleep("10 millis")
        after = yield* slow.pids
      }
      assert.strictEqual(after.length, 1)
      assert.notDeepEqual(after, before)

      const fast = yield* pool(32)
      const kept = yield* fast.pids
      yield* Effect.timeoutOption(fast.predict(red), "1 millis")
      yield* Effect.sleep("200 millis")
      assert.deepStrictEqual(yield* fast.pids, kept)
      const { labelMap } = yield* fast.predict(red)
      assert.strictEqual(LabelMap.at(labelMap, 20, 15), 1)
    }).pipe(Effect.scoped)
  )

  it.live(
    "survive 100 interruptions in a row, at any moment of a run, without growing",
    () =>
      Effect.gen(function* () {
        const sessions = yield* pool(96, { sessions: 2 })
        const { labelMap: expected } = yield* sessions.predict(red)
        const random = support.makeRandom(7)
        let most = 0
        let heap = 0
        for (let i = 0; i < 100; i++) {
          const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(sessions.predict(red)))
          yield* Effect.sleep(`${Math.floor(random() * 40)} millis`)
          yield* Fiber.interruptAll(fibers)
          most = Math.max(most, (yield* sessions.pids).length)
          if (i === 20) heap = process.memoryUsage().external
        }
        assert.isAtMost(most, 2)
        assert.isBelow(process.memoryUsage().external - heap, 32 * 1024 * 1024)
        const { labelMap } = yield* sessions.predict(red)
        assert.isTrue(LabelMap.equals(labelMap, expected))
      }).pipe(Effect.scoped),
    60_000
  )

  it.live.skipIf(process.platform !== "linux")("run where ONNX Runtime tells nobody of it", () =>
    Effect.gen(function* () {
      const [pid] = yield* (yield* pool(64)).pids
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
      assert.include(environment, "ORT_DISABLE_TELEMETRY=1")
    }).pipe(Effect.scoped)
  )

  it.live("report a picture whose process dies, and do the next in a new one", () =>
    Effect.gen(function* () {
      const sessions = yield* pool(256)
      const [pid] = yield* sessions.pids
      const fiber = yield* Effect.forkChild(Effect.flip(sessions.predict(red)))
      yield* Effect.sleep("20 millis")
      process.kill(pid!, "SIGKILL")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "Lost")
      assert.include(error._tag === "Lost" ? error.detail : "", "SIGKILL")
      const { labelMap } = yield* sessions.predict(red)
      assert.strictEqual(labelMap.data[0], 1)
    }).pipe(Effect.scoped)
  )

  it.live("do the picture behind one that dies or is given up, in the process that follows", () =>
    Effect.gen(function* () {
      const sessions = yield* pool(256)
      const [pid] = yield* sessions.pids
      const first = yield* Effect.forkChild(Effect.exit(sessions.predict(red)))
      const second = yield* Effect.forkChild(Effect.exit(sessions.predict(red)))
      yield* Effect.sleep("20 millis")
      process.kill(pid!, "SIGKILL")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(first)))
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(second)))

      // This one takes longer than the grace period lasts.
      const slow = yield* pool(512)
      const given = yield* Effect.forkChild(slow.predict(red))
      const behind = yield* Effect.forkChild(Effect.exit(slow.predict(red)))
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(given)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(behind)))
    }).pipe(Effect.scoped)
  )

  it.live("work side by side, each on a picture of its own, in any order", () =>
    Effect.gen(function* () {
      const sessions = yield* pool(32, { sessions: 2, file: "blocks.onnx" })
      const colours = [
        [0, 0, 0],
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [255, 255, 0],
        [255, 255, 255]
      ] as const
      const found = yield* Effect.forEach(
        Array.from({ length: 60 }, (_, i) => i),
        (i) => {
          const [red, green, blue] = colours[i % 6]!
          const picture = support.plain(3 + (i % 50), 5 + (i % 31), red, green, blue)
          return Effect.map(sessions.predict({ ...picture, confidence: i % 2 === 0 }), (outcome) => ({
            ids: [...LabelMap.histogram(outcome.labelMap).keys()],
            width: outcome.labelMap.width,
            confidence: outcome.confidence?.data.length
          }))
        },
        { concurrency: "unbounded" }
      )
      found.forEach(({ confidence, ids, width }, i) => {
        assert.deepStrictEqual(ids, [i % 6])
        assert.strictEqual(width, 3 + (i % 50))
        assert.strictEqual(confidence, i % 2 === 0 ? (3 + (i % 50)) * (5 + (i % 31)) : undefined)
      })
    }).pipe(Effect.scoped)
  )

  it.live("end with their scope, whether at work or not", () =>
    Effect.gen(function* () {
      const pids = yield* Effect.scoped(
        Effect.gen(function* () {
          const sessions = yield* pool(1024, { sessions: 2 })
          yield* Effect.forkChild(Effect.exit(sessions.predict(red)))
          yield* Effect.sleep("50 millis")
          return yield* sessions.pids
        })
      )
      assert.strictEqual(pids.length, 2)
      for (const pid of pids) assert.isFalse(isAlive(pid))
    })
  )
})

interface Ended {
  readonly code: number | string | undefined
  readonly signal: string | undefined
  readonly pids: ReadonlyArray<number>
  readonly stderr: string
}

const program = (how: string, size: number): Effect.Effect<Ended> =>
  Effect.callback((resume) => {
    const script = fileURLToPath(new URL("./program.ts", import.meta.url))
    execFile(
      process.execPath,
      ["-C", "effect-segformer-source", script, how, String(size)],
      { timeout: 15_000 },
      (error, stdout, stderr) => {
        const pids: ReadonlyArray<number> = stdout === "" ? [] : JSON.parse(stdout)
        resume(Effect.succeed({ code: error?.code ?? 0, signal: error?.signal ?? undefined, pids, stderr }))
      }
    )
  })

describe("a program with a session", () => {
  for (const how of ["close", "leave open"]) {
    it.live(`ends by itself when its work is done (${how})`, () =>
      Effect.gen(function* () {
        const { code, pids, signal } = yield* program(how, 64)
        assert.deepStrictEqual([code, signal], [0, undefined])
        yield* eventually(() => pids.every((pid) => !isAlive(pid)))
      })
    )
  }

  it.live("may exit in the middle of a run, with the code it wants, and leaves no process behind", () =>
    Effect.gen(function* () {
      const { code, pids, signal } = yield* program("exit", 512)
      assert.deepStrictEqual([code, signal, pids.length], [7, undefined, 1])
      yield* eventually(() => pids.every((pid) => !isAlive(pid)))
    })
  )

  it.live("may die of an error in the middle of a run, and is told of that error", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* program("throw", 512)
      assert.strictEqual(code, 1)
      assert.include(stderr, "a bug elsewhere")
    })
  )
})

describe("sessions that cannot be", () => {
  const load = (file: string) =>
    Effect.flip(
      Effect.scoped(SegFormerOnnx.make({ model: ModelSource.folder(file) })).pipe(
        Effect.provide(SharpCodec.layer)
      )
    )

  for (const [file, says] of [
    ["classifier.onnx", "but is float32 of [1, 3]"],
    ["text.onnx", "input_ids: int64"],
    ["nan.onnx", "every logit is NaN"],
    ["map_negative.onnx", "ids are not negative"]
  ] as const) {
    it.live(`say what is wrong with a model that segments nothing (${file})`, () =>
      Effect.gen(function* () {
        const error = yield* load(support.fixture(file))
        assert.strictEqual(error._tag, "ModelNotLoadable")
        assert.include(error.message, says)
      })
    )
  }

  it.live("say that onnxruntime-node is missing, and how to install it", () =>
    Effect.gen(function* () {
      const before = process.env["NODE_OPTIONS"]
      const hook = new URL("./fixtures/without-onnxruntime.mjs", import.meta.url)
      process.env["NODE_OPTIONS"] = `${before ?? ""} --import=${hook.href}`
      const exit = yield* Effect.exit(load(support.fixture("blocks.onnx")))
      if (before === undefined) delete process.env["NODE_OPTIONS"]
      else process.env["NODE_OPTIONS"] = before
      assert.isTrue(Exit.isSuccess(exit))
      const error = yield* exit
      assert.strictEqual(error._tag, "DependencyMissing")
      assert.include(error.message, "npm install onnxruntime-node")
    })
  )
})
