/** A session of two workers, where these are told what to say: what becomes of its pictures when it ends. */
import { Worker as Thread } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { modules } from "../../src/BackgroundWorker.ts"
import { defaults } from "../../src/image/Preprocessing.ts"
import type { Ending, Load, Picture, Session } from "../../src/onnx/session/Session.ts"
import type { FromWorker, ToWorker } from "../../src/onnx/web/Wire.ts"
import * as WorkerSession from "../../src/onnx/web/WorkerSession.ts"

/** A worker that says what the test says. */
class Told extends EventTarget implements Worker {
  onmessage = null
  onmessageerror = null
  onerror = null
  isEnded = false
  readonly heard: Array<ToWorker["type"]> = []
  assets: unknown
  postMessage(message: ToWorker, transfer?: unknown): void {
    this.heard.push(message.type)
    if (message.type === "model") this.assets = message.load.assets
    structuredClone(message, { transfer: Array.isArray(transfer) ? transfer : [] })
  }
  terminate(): void {
    this.isEnded = true
  }
  says(message: FromWorker | string): void {
    this.dispatchEvent(new MessageEvent("message", { data: message }))
  }
  breaks(message: string): void {
    this.dispatchEvent(Object.assign(new Event("error", { cancelable: true }), { message }))
  }
}

const load: Load = {
  weights: { _tag: "Bytes", bytes: new Uint8Array() },
  threads: 1,
  preprocessing: defaults,
  expected: { classes: 2 }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

const started = (options: Pick<WorkerSession.WorkerSessionOptions, "assets"> = {}) => {
  const workers: Array<Told> = []
  const log: Array<string> = []
  const session = WorkerSession.start(
    {
      ...options,
      worker: () => {
        const worker = new Told()
        workers.push(worker)
        return worker
      }
    },
    load,
    {
      ready: () => log.push("ready"),
      unusable: ({ detail }) => log.push(`unusable: ${detail}`),
      gone: () => log.push("gone")
    }
  )
  for (const worker of workers) worker.says(modules.model)
  const [model, around] = workers
  return { session, log, model: model!, around: around! }
}

const picture = (value: number): Picture => ({
  width: 1,
  height: 1,
  confidence: false,
  data: Uint8Array.of(value, value, value)
})

/** Sends a picture; `name` says what becomes of it. */
const given = (session: Session, log: Array<string>, name: string, value: number) =>
  session.predict(
    picture(value),
    () => log.push(`${name} begun`),
    (ending: Ending) =>
      log.push(
        ending._tag === "Died"
          ? `${name} died${ending.inModel ? " in the model" : ""}: ${ending.picture?.data[0]}`
          : ending._tag === "Failed"
            ? `${name} failed: ${ending.detail}`
            : `${name} done`
      )
  )

const outcome = {
  _tag: "Logits",
  logits: { width: 1, height: 1, classes: 1, data: new Float32Array(1) },
  milliseconds: 1
} as const

/** With one picture in the model and one before it. */
const atWork = () => {
  const all = started()
  const { around, log, session } = all
  around.says({ type: "ready", reason: undefined })
  assert.strictEqual(session.room(), 2)
  given(session, log, "first", 1)
  given(session, log, "second", 2)
  around.says({ type: "begun", number: 0 })
  assert.strictEqual(session.room(), 0)
  return all
}

const back = (...values: ReadonlyArray<number>): FromWorker => ({
  type: "back",
  pictures: new Map(values.map((value) => [value - 1, picture(value)]))
})

describe("a session of two workers", () => {
  it("is told of the folder of the runtime's files as one, however it was written", () => {
    for (const [assets, told] of [
      ["ort", "ort/"],
      ["/ort/", "/ort/"],
      ["https://h/ort", "https://h/ort/"]
    ] as const) {
      const { model, session } = started({ assets })
      assert.strictEqual(model.assets, told)
      session.kill()
    }
    const each = { mjs: "/a.mjs", wasm: "/a.wasm" }
    const { model, session } = started({ assets: each })
    assert.deepStrictEqual(model.assets, each)
    session.kill()
  })

  it("gives back what stood before a model that broke down", async () => {
    const { around, log, model } = atWork()
    model.says({ type: "broken", detail: "out of memory" })
    assert.isTrue(model.isEnded)
    assert.isFalse(around.isEnded)
    assert.strictEqual(around.heard.at(-1), "giveBack")
    around.says(back(1, 2))
    await settled()
    assert.isTrue(around.isEnded)
    assert.deepStrictEqual(log, [
      "ready",
      "first begun",
      "first died in the model: 1",
      "second died: 2",
      "gone"
    ])
  })

  it("takes what was said before it ended: who is done is done, and the next one was in the model", async () => {
    const { around, log, session } = atWork()
    session.kill()
    around.says({ type: "begun", number: 1 })
    around.says({ type: "done", outcome })
    around.says(back(2))
    await settled()
    assert.deepStrictEqual(log, [
      "ready",
      "first begun",
      "second begun",
      "first done",
      "second died in the model: 2",
      "gone"
    ])
  })

  it("fails those whose pixels are lost, and does not do them again without", async () => {
    const { around, log, model } = atWork()
    around.breaks("it ran out of memory")
    await settled()
    assert.isTrue(model.isEnded)
    const lost = "failed: the worker ended (it ran out of memory)"
    assert.deepStrictEqual(log, ["ready", "first begun", `first ${lost}`, `second ${lost}`, "gone"])
  })

  it("loses them as well where the second worker breaks while the first is ended", async () => {
    const { around, log, session } = atWork()
    session.kill()
    around.breaks("it is gone, too")
    await settled()
    assert.deepStrictEqual(log.slice(2), [
      "first failed: it was ended",
      "second failed: it was ended",
      "gone"
    ])
  })

  it("ends both where there is nothing to do, or the model cannot be used", async () => {
    for (const what of ["kill", "unusable", "broken"] as const) {
      const { around, log, model, session } = started()
      if (what === "kill") session.kill()
      else if (what === "broken") around.breaks("not found")
      else model.says({ type: "unusable", reason: "model", detail: "it is none" })
      await settled()
      assert.deepStrictEqual([model.isEnded, around.isEnded], [true, true], what)
      assert.strictEqual(log.at(-1), "gone")
      const detail = { kill: "it was ended", unusable: "it is none", broken: "the worker ended (not found)" }
      assert.deepStrictEqual(log, [`unusable: ${detail[what]}`, "gone"])
    }
  })

  it("says who is no longer waited for, and fails one whose pixels cannot be sent", async () => {
    const { around, log, session } = started()
    around.says({ type: "ready", reason: undefined })
    const cancel = given(session, log, "first", 1)
    cancel()
    assert.deepStrictEqual(around.heard, ["around", "picture", "cancel"])
    const gone = picture(2)
    structuredClone(gone.data.buffer, {
      transfer: gone.data.buffer instanceof ArrayBuffer ? [gone.data.buffer] : []
    })
    const failed = await new Promise<Ending>((resolve) => session.predict(gone, () => {}, resolve))
    assert.strictEqual(failed._tag, "Failed")
    assert.strictEqual(session.room(), 1)
  })

  it("says what is wrong with a worker that is given, and leaves none of them alive", async () => {
    const told = (first: (worker: Told) => void) => () => {
      const worker = new Told()
      setImmediate(() => first(worker))
      return worker
    }
    const same = new Told()
    const ended = new Thread("", { eval: true })
    await ended.terminate()
    const threads: Array<Thread> = []
    const thread = (script: string) => () => {
      const worker = new Thread(script, { eval: true })
      threads.push(worker)
      return worker
    }
    const all: ReadonlyArray<readonly [string, () => unknown, RegExp]> = [
      [
        "nothing",
        () => undefined,
        /must give a Worker, of the web or of node:worker_threads, but gave undefined/
      ],
      ["an address", () => "worker.js", /but gave worker.js/],
      ["a promise", () => Promise.resolve(), /but gave a Promise/],
      ["a port", () => new MessageChannel().port1, /but gave a MessagePort/],
      ["the same one", () => same, /gave one that it gave before: it must make another each time/],
      ["one that has ended", () => ended, /gave one that has ended/],
      [
        "another script",
        told((worker) => worker.says("hello")),
        /it runs another script: make it of the module effect-segformer\/onnx\/web\/worker/
      ],
      ["the worker of a codec", told((worker) => worker.says(modules.codec)), /another script/],
      [
        "one that says nothing",
        told(() => {}),
        /it said nothing within 0.05 s: it runs another script, or was ended before/
      ],
      [
        "one of Bun's that ends, as an empty script does",
        told((worker) => worker.dispatchEvent(Object.assign(new Event("close"), { code: 0 }))),
        /a script of its own: exit code 0/
      ],
      [
        "a thread of another script",
        thread(`require("worker_threads").parentPort.postMessage({})`),
        /another script/
      ],
      ["a thread that says nothing", thread("setInterval(() => {}, 1000)"), /it said nothing within 0.05 s/],
      [
        "a thread that fails",
        thread("throw new Error('no such thing')"),
        /a script of its own: no such thing/
      ],
      ["a thread without a listener", thread(""), /a script of its own: exit code 0/]
    ]
    for (const [name, worker, says] of all) {
      const log: Array<string> = []
      await new Promise<void>((gone) => {
        WorkerSession.start(
          // As a program without types gives it.
          Object.assign(
            { patience: says.source.includes("nothing") ? 50 : undefined },
            { worker: worker as () => Worker }
          ),
          load,
          {
            ready: () => log.push("ready"),
            unusable: ({ detail, reason }) => {
              log.push(detail)
              assert.strictEqual(reason, "code", name)
            },
            gone
          }
        )
      })
      assert.strictEqual(log.length, 1, name)
      assert.match(log[0]!, says, name)
    }
    assert.isTrue(same.isEnded)
    assert.deepStrictEqual(
      threads.map(({ threadId }) => threadId),
      threads.map(() => -1)
    )
  })
})
