/** Sessions: processes of their own, which are interrupted, killed and replaced. */
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option } from "effect"
import { LabelMap, segment } from "effect-segformer"
import { ImageCodec } from "effect-segformer/image"
import { ModelSource, SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import { eventually, hangs } from "../support/Eventually.ts"
import { begun, isAlive, long, middling, pool, red, survives, turns } from "./pool.ts"
import * as support from "./support.ts"
import { version } from "../../src/version.ts"

describe("sessions", () => {
  it.live("leave the event loop to others while the model runs", () =>
    Effect.gen(function* () {
      const sessions = yield* pool()
      const running = yield* Effect.forkChild(sessions.predict(long))
      yield* turns(1000)
      assert.isUndefined(running.pollUnsafe(), "it is still in the model")
    }).pipe(Effect.scoped)
  )

  it.live("let an interrupted call return, and do the next all the same", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder(
        { "model.onnx": "slow.onnx" },
        { preprocessor: { ...support.preprocessor, do_resize: false } }
      )
      yield* Effect.gen(function* () {
        const whole = yield* support.source(long)
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(segment(whole), "250 millis")))
        const next = yield* segment(yield* support.source(red))
        assert.strictEqual(LabelMap.at(yield* next.labelMap, 20, 15), 1)
      }).pipe(
        Effect.provide(
          SegFormerOnnx.layer({
            model: ModelSource.folder(path),
            threads: 1,
            gracePeriod: "100 millis"
          }).pipe(Layer.provide(SharpCodec.layer))
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("replace the process of a long interrupted run, and do the picture behind it", () =>
    Effect.gen(function* () {
      const sessions = yield* pool()
      const before = yield* sessions.pids
      const given = yield* Effect.forkChild(sessions.predict(long))
      const behind = yield* Effect.forkChild(Effect.exit(sessions.predict(red)))
      yield* begun(sessions)
      yield* Fiber.interrupt(given)
      assert.isUndefined(behind.pollUnsafe(), "the call returns though its picture is still in the model")
      const health = new Set<number>()
      while (behind.pollUnsafe() === undefined) {
        health.add(yield* sessions.ready)
        yield* turns(1)
      }
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(behind)))
      assert.deepStrictEqual([...health], [1], "the spare is ready before the other is killed")
      const after = yield* sessions.pids
      assert.strictEqual(after.length, 1)
      assert.notDeepEqual(after, before)
      yield* eventually(() => !isAlive(before[0]!), "the process that was given up to end")
    }).pipe(Effect.scoped)
  )

  it.live("never begin with a picture that nobody waits for, and keep their process", () =>
    Effect.gen(function* () {
      const sessions = yield* pool()
      const before = yield* sessions.pids
      const first = yield* Effect.forkChild(sessions.predict(middling))
      const second = yield* Effect.forkChild(sessions.predict(long))
      const third = yield* Effect.forkChild(sessions.predict(red))
      yield* begun(sessions)
      // It has been sent, and stands before the model.
      yield* Fiber.interrupt(second)
      yield* Fiber.join(first)
      assert.strictEqual(LabelMap.at((yield* Fiber.join(third)).labelMap, 20, 15), 1)
      assert.deepStrictEqual(yield* sessions.pids, before)
    }).pipe(Effect.scoped)
  )

  it.live("are there again, without being asked, after one has died with nobody waiting", () =>
    Effect.gen(function* () {
      const sessions = yield* pool()
      const [pid] = yield* sessions.pids
      process.kill(pid!, "SIGKILL")
      yield* eventually(() => !isAlive(pid!))
      while ((yield* sessions.pids).includes(pid!)) yield* turns(1)
      assert.strictEqual((yield* sessions.pids).length, 1)
      assert.strictEqual(yield* sessions.ready, 1)
    }).pipe(Effect.scoped)
  )

  it.live("keep the process of an interrupted run that ends before its grace period does", () =>
    Effect.gen(function* () {
      const sessions = yield* pool({ gracePeriod: hangs })
      const before = yield* sessions.pids
      const given = yield* Effect.forkChild(sessions.predict(red))
      yield* turns(3)
      yield* Fiber.interrupt(given)
      const { labelMap } = yield* sessions.predict(red)
      assert.strictEqual(LabelMap.at(labelMap, 20, 15), 1)
      assert.deepStrictEqual(yield* sessions.pids, before)
    }).pipe(Effect.scoped)
  )

  it.live("survive interruptions in a row, at any moment of a run", () => survives(8))

  it.live.skipIf(process.platform !== "linux")("run where ONNX Runtime tells nobody of it", () =>
    Effect.gen(function* () {
      const [pid] = yield* (yield* pool()).pids
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
      assert.include(environment, "ORT_DISABLE_TELEMETRY=1")
    }).pipe(Effect.scoped)
  )

  it.live("report a picture whose process dies, and do the next in a new one", () =>
    Effect.gen(function* () {
      const sessions = yield* pool()
      const [pid] = yield* sessions.pids
      const fiber = yield* Effect.forkChild(Effect.flip(sessions.predict(long)))
      yield* turns(3)
      process.kill(pid!, "SIGKILL")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "Lost")
      assert.include(error._tag === "Lost" ? error.detail : "", "SIGKILL")
      const { labelMap } = yield* sessions.predict(red)
      assert.strictEqual(labelMap.data[0], 1)
    }).pipe(Effect.scoped)
  )

  it.live("do the picture behind one that dies, in the process that follows", () =>
    Effect.gen(function* () {
      const sessions = yield* pool()
      const [pid] = yield* sessions.pids
      const first = yield* Effect.forkChild(Effect.exit(sessions.predict(long)))
      const second = yield* Effect.forkChild(Effect.exit(sessions.predict(red)))
      yield* turns(3)
      process.kill(pid!, "SIGKILL")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(first)))
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(second)))
    }).pipe(Effect.scoped)
  )

  it.live("work side by side, each on a picture of its own, in any order", () =>
    Effect.gen(function* () {
      const sessions = yield* pool({ sessions: 2, file: "blocks.onnx", side: 32 })
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
          const sessions = yield* pool({ sessions: 2 })
          yield* Effect.forkChild(Effect.exit(sessions.predict(long)))
          yield* turns(3)
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
      { timeout: hangs / 2 },
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
      const error = yield* withoutRuntime(load(support.fixture("blocks.onnx")))
      assert.strictEqual(error._tag, "DependencyMissing")
      assert.match(error.message, /onnxruntime-web is installed, .* npm install onnxruntime-node$/)
    })
  )

  it.live(
    "say that an update has replaced the package under the program: no message of another version is taken on trust",
    () =>
      Effect.gen(function* () {
        const error = yield* started("another-version.mjs", load(support.fixture("blocks.onnx")))
        assert.strictEqual(error._tag, "ModelNotLoadable")
        assert.include(error.message, `version 99.0.0 of effect-segformer has taken the place of ${version}`)
        assert.match(error.message, /Start the program again$/)
      })
  )
})

/** Processes that are started meanwhile find no onnxruntime-node. */
const withoutRuntime = <A, E, R>(effect: Effect.Effect<A, E, R>) => started("without-onnxruntime.mjs", effect)

/** Processes that are started meanwhile import a fixture first. */
const started = <A, E, R>(fixture: string, effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = process.env["NODE_OPTIONS"]
      const hook = new URL(`./fixtures/${fixture}`, import.meta.url)
      process.env["NODE_OPTIONS"] = `${before ?? ""} --import=${hook.href}`
      return before
    }),
    () => effect,
    (before) =>
      Effect.sync(() => {
        if (before === undefined) delete process.env["NODE_OPTIONS"]
        else process.env["NODE_OPTIONS"] = before
      })
  )

describe("a layer whose packages are missing", () => {
  const codec = (lacks: boolean) =>
    Layer.effect(
      ImageCodec,
      SharpCodec.make(lacks ? () => Promise.reject(new Error("Cannot find package 'sharp'")) : undefined)
    )
  const failure = (lacksSharp: boolean) =>
    SegFormerOnnx.make({ threads: 1 }).pipe(Effect.provide(codec(lacksSharp)), Effect.scoped, Effect.flip)

  it.live("names all of them at once, with one command that installs them", () =>
    Effect.gen(function* () {
      const error = yield* withoutRuntime(failure(true))
      assert.strictEqual(error._tag, "DependencyMissing")
      assert.match(
        error.message,
        /^Running a model here needs the packages sharp and onnxruntime-node, .* Install them: npm install sharp onnxruntime-node$/
      )
    })
  )

  it.live("names only the one that is", () =>
    Effect.gen(function* () {
      const withoutSharp = yield* failure(true)
      assert.match(withoutSharp.message, /needs the package sharp, .* Install it: npm install sharp$/)
      const withoutOnnx = yield* withoutRuntime(failure(false))
      assert.match(
        withoutOnnx.message,
        /needs the package onnxruntime-node, .* npm install onnxruntime-node$/
      )
    })
  )
})
