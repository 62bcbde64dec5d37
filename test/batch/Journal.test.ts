import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as FastCheck from "fast-check"
import * as HashIndex from "../../src/batch/HashIndex.ts"
import * as Journal from "../../src/batch/Journal.ts"
import { folder } from "../support/Folder.ts"

const receipt = (key: string, content = key, records: Record<string, string> = {}) => ({
  key,
  content,
  width: 4,
  height: 3,
  attempts: 1,
  millis: 1.5,
  records
})

const opened = <A, E, R>(path: string, use: (journal: Journal.Journal) => Effect.Effect<A, E, R>) =>
  Effect.provide(Effect.scoped(Effect.flatMap(Journal.open(path, Effect.void), use)), NodeFileSystem.layer)

const keysIn = (journal: Journal.Journal) =>
  Effect.map(Stream.runCollect(journal.lines), (lines) => lines.map(({ key }) => key))

describe("Journal", () => {
  it.live("remembers what is done and what failed, and the last line of a key counts", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      yield* opened(path, (journal) =>
        Effect.gen(function* () {
          yield* journal.add(receipt("ä/1.png", "c1", { coco: "text ✓", csv: "" }))
          yield* journal.add({ key: "2.png", tag: "NotAnImage", message: "no\nline" })
          yield* journal.add({ key: "3.png", tag: "TimedOut", message: "late" })
          // What is not written yet is known already.
          assert.deepStrictEqual(yield* journal.find("2.png"), {
            key: "2.png",
            tag: "NotAnImage",
            message: "no\nline"
          })
          assert.strictEqual((yield* journal.findContent("c1"))?.records["coco"], "text ✓")
          yield* journal.add(receipt("3.png", "c3"))
        })
      )
      yield* opened(path, (journal) =>
        Effect.gen(function* () {
          assert.deepStrictEqual([journal.done(), journal.failed(), journal.broken], [2, 1, 0])
          assert.deepStrictEqual(
            yield* journal.findContent("c1"),
            receipt("ä/1.png", "c1", { coco: "text ✓", csv: "" })
          )
          assert.strictEqual(yield* journal.find("4.png"), undefined)
          assert.strictEqual(yield* journal.findContent("c4"), undefined)
          assert.deepStrictEqual(yield* keysIn(journal), ["ä/1.png", "2.png", "3.png"])
        })
      )
    })
  )

  it.live("survives a last line that is torn at any byte, and goes on behind the one before", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      yield* opened(path, (journal) =>
        Effect.andThen(journal.add(receipt("first.png")), journal.add(receipt("second.png")))
      )
      const whole = readFileSync(join(path, "journal.log"))
      const cut = whole.indexOf(10) + 1
      for (let length = cut; length < whole.length; length++) {
        writeFileSync(join(path, "journal.log"), whole.subarray(0, length))
        yield* opened(path, (journal) =>
          Effect.gen(function* () {
            assert.strictEqual(yield* journal.find("second.png"), undefined)
            assert.strictEqual(journal.done(), 1)
            yield* journal.add(receipt("third.png"))
          })
        )
        yield* opened(path, (journal) =>
          Effect.map(keysIn(journal), (keys) => assert.deepStrictEqual(keys, ["first.png", "third.png"]))
        )
      }
    })
  )

  it.live("leaves out a line that is broken in the middle, and no other", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      yield* opened(path, (journal) =>
        Effect.forEach(["1", "2", "3"], (key) => journal.add(receipt(key)), { discard: true })
      )
      const bytes = readFileSync(join(path, "journal.log"))
      bytes[bytes.indexOf('"key":"2"') + 8]! ^= 1
      writeFileSync(join(path, "journal.log"), bytes)
      yield* opened(path, (journal) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* keysIn(journal), ["1", "3"])
          assert.strictEqual(journal.broken, 1)
        })
      )
    })
  )

  it.live("survives zeros at its end, as a power cut leaves them", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      yield* opened(path, (journal) => journal.add(receipt("1")))
      appendFileSync(join(path, "journal.log"), Buffer.alloc(5000))
      yield* opened(path, (journal) => journal.add(receipt("2")))
      yield* opened(path, (journal) =>
        Effect.map(keysIn(journal), (keys) => assert.deepStrictEqual(keys, ["1", "2"]))
      )
    })
  )

  it.live("holds lines and records that are longer than what is read at a time", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const long = "x".repeat(700_000)
      yield* opened(path, (journal) =>
        Effect.andThen(journal.add(receipt(long, "c", { a: `${long}y` })), journal.add(receipt("short")))
      )
      yield* opened(path, (journal) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* keysIn(journal), [long, "short"])
          assert.strictEqual((yield* journal.findContent("c"))?.records["a"], `${long}y`)
        })
      )
    })
  )

  it.live("tells images apart whose hashes are the same, however far apart their lines are", () =>
    Effect.gen(function* () {
      // Of 300,000 keys in 32 bits ten pairs or so have the same hash.
      const index = HashIndex.make()
      let pair: ReadonlyArray<number> = []
      for (let i = 0; pair.length === 0 && i < 300_000; i++) {
        index.set(`image-${i}`, i, (place) => {
          pair = [place, i]
          return false
        })
      }
      const [first, second] = pair.map((i) => `image-${i}`)
      assert.ok(first !== undefined && second !== undefined)
      const path = yield* folder()
      const far = Array.from({ length: 5_000 }, (_, i) => receipt(`other-${i}`))
      yield* opened(path, (journal) =>
        Effect.forEach([receipt(first), ...far, receipt(second)], journal.add, { discard: true })
      )
      yield* opened(path, (journal) =>
        Effect.gen(function* () {
          for (const key of [first, second, first]) {
            assert.strictEqual((yield* journal.find(key))?.key, key)
            assert.strictEqual((yield* journal.findContent(key))?.content, key)
          }
          yield* journal.add({ key: first, tag: "TimedOut", message: "late" })
          assert.deepStrictEqual([journal.done(), journal.failed()], [5_001, 1])
        })
      )
      yield* opened(path, (journal) =>
        Effect.gen(function* () {
          assert.deepStrictEqual([journal.done(), journal.failed(), journal.broken], [5_001, 1, 0])
          assert.strictEqual((yield* journal.find(second))?.key, second)
          assert.notProperty(yield* journal.find(second), "tag")
          assert.property(yield* journal.find(first), "tag")
        })
      )
    })
  )

  it.live("ends with a tag when it cannot be written", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "run")
      const missing = yield* Effect.flip(opened(path, () => Effect.void))
      assert.strictEqual(missing._tag, "RunFolderFailed")
      mkdirSync(path)
      mkdirSync(join(path, "journal.log"))
      const folderInstead = yield* Effect.flip(opened(path, () => Effect.void))
      assert.match(folderInstead.message, /cannot be remembered: .*Nothing that is done is lost/)
    })
  )
})

describe("HashIndex", () => {
  it("gives the place that was set last, for any ids", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.string(), { maxLength: 400 }), (ids) => {
        const index = HashIndex.make()
        const last = new Map<string, number>()
        for (const [at, id] of ids.entries()) {
          const before = index.set(id, at, (place) => ids[place] === id)
          assert.strictEqual(before, last.get(id) ?? -1)
          last.set(id, at)
        }
        assert.strictEqual(index.size(), last.size)
        for (const [id, at] of last) {
          assert.strictEqual(
            index.find(id, (place) => ids[place] === id),
            at
          )
          assert.isTrue(index.isAt(id, at))
          assert.isFalse(index.isAt(id, at + 1000))
        }
      })
    )
  })

  it("tells ids with the same hash apart, and keeps places beyond 4 GB", () => {
    // 300,000 ids in 32 bits: ten pairs or so have the same hash.
    const index = HashIndex.make()
    const base = 6_000_000_000
    const idOf = (place: number) => `image-${place - base}`
    const count = 300_000
    for (let i = 0; i < count; i++)
      index.set(idOf(base + i), base + i, (place) => idOf(place) === `image-${i}`)
    assert.strictEqual(index.size(), count)
    let wrong = 0
    for (let i = 0; i < count; i++) {
      if (index.find(`image-${i}`, (place) => idOf(place) === `image-${i}`) !== base + i) wrong++
    }
    assert.strictEqual(wrong, 0)
    assert.strictEqual(
      index.find("another", (place) => idOf(place) === "another"),
      -1
    )
  })
})
