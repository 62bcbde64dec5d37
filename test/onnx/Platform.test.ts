/** Where the binary runs not at all: what is said, and what to do instead. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as NativeRuntime from "../../src/onnx/native/NativeRuntime.ts"
import * as Platform from "../../src/onnx/native/Platform.ts"
import * as SessionProcess from "../../src/onnx/native/SessionProcess.ts"
import { folder } from "../support/Folder.ts"
import { pathToFileURL } from "node:url"
import { isAlive, poolOn } from "./pool.ts"
import { eventually } from "../support/Eventually.ts"

/** What Node says of each. */
const notInstalled = new Error("Cannot find package 'onnxruntime-node' imported from /app/SessionRunner.js")
const noBinary = new Error(
  "Cannot find module '../bin/napi-v6/darwin/x64/onnxruntime_binding.node'\nRequire stack:\n- /app/binding.js"
)
const otherLibrary = new Error("Error loading shared library ld-linux-x86-64.so.2: No such file or directory")

describe("a machine without a binary", () => {
  it("is named, with the runtime that runs there, whether the package is installed or not", () => {
    for (const cause of [notInstalled, noBinary]) {
      const { detail, reason } = Platform.notLoadable(cause, { platform: "darwin", arch: "x64" })
      assert.strictEqual(reason, "platform")
      assert.match(detail, /^onnxruntime-node has no binary for Intel Macs; .*SegFormerWeb/)
    }
    for (const [platform, arch] of [
      ["freebsd", "x64"],
      ["linux", "arm"],
      ["linux", "riscv64"],
      ["android", "arm64"],
      ["win32", "ia32"]
    ] as const) {
      const { detail, reason } = Platform.notLoadable(notInstalled, { platform, arch })
      assert.strictEqual(reason, "platform")
      assert.include(detail, `no binary for ${platform} ${arch}`)
    }
  })

  it("is told from one whose C library is another, and from one on which it is not installed", () => {
    const alpine = Platform.notLoadable(otherLibrary, { platform: "linux", arch: "x64" })
    assert.strictEqual(alpine.reason, "platform")
    assert.match(alpine.detail, /does not load \(.*ld-linux-x86-64.so.2.*\); .*SegFormerWeb/)
    const plain = Platform.notLoadable(notInstalled, { platform: "linux", arch: "x64" }, false)
    assert.deepStrictEqual([plain.reason, plain.detail], ["runtime", notInstalled.message])
    const byDeno = new TypeError('Import "onnxruntime-node" not a dependency')
    assert.strictEqual(
      Platform.notLoadable(byDeno, { platform: "linux", arch: "x64" }, false).reason,
      "runtime"
    )
    const { detail, reason } = Platform.notLoadable(notInstalled, { platform: "linux", arch: "x64" }, true)
    assert.strictEqual(reason, "runtime")
    assert.match(detail, /; onnxruntime-web is installed, and WebAssembly .* SegFormerWeb.layer/)
  })

  it.live("fails with what to install", () =>
    Effect.gen(function* () {
      const unusable = Platform.notLoadable(noBinary, { platform: "darwin", arch: "x64" })
      const error = yield* Effect.flip(
        poolOn({
          ...NativeRuntime.runtime,
          start: (_, events) => {
            queueMicrotask(() => {
              events.unusable(unusable)
              events.gone()
            })
            return { pid: undefined, room: () => 0, predict: () => () => {}, kill: () => {} }
          }
        })
      )
      assert.strictEqual(error._tag, "DependencyMissing")
      assert.match(error.message, /no binary for Intel Macs.*SegFormerWeb.*npm install onnxruntime-web$/)
    }).pipe(Effect.scoped)
  )
})

describe("a process that never answers", () => {
  it.live("is ended, and said to", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "silent.mjs": "setInterval(() => {}, 1000)\n" })
      let pid: number | undefined
      const error = yield* Effect.flip(
        poolOn({
          ...NativeRuntime.runtime,
          start: (load, events) => {
            const main = pathToFileURL(`${path}/silent.mjs`)
            const session = SessionProcess.start(load, events, { main, patience: 300 })
            pid = session.pid
            return session
          }
        })
      )
      assert.strictEqual(error._tag, "ModelNotLoadable")
      assert.match(error.message, /its process did not answer within 0.3 s.*must be Node/)
      yield* eventually(() => pid !== undefined && !isAlive(pid), "the process to end")
    }).pipe(Effect.scoped)
  )

  it.live("is not begun under Bun: what to do is said at once", () =>
    Effect.gen(function* () {
      const pids: Array<number | undefined> = []
      const error = yield* Effect.flip(
        poolOn({
          ...NativeRuntime.runtime,
          start: (load, events) => {
            // Whoever waited for this process would wait for longer than a test may take.
            const versions = { node: "24.3.0", bun: "1.4.5" }
            const session = SessionProcess.start(load, events, { versions })
            pids.push(session.pid)
            return session
          }
        })
      )
      assert.strictEqual(error._tag, "DependencyMissing")
      assert.match(error.message, /under Bun.*Run this by Node; or WebAssembly.*SegFormerWeb/)
      assert.deepStrictEqual(pids, [undefined])
    }).pipe(Effect.scoped)
  )
})
