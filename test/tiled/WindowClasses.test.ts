/** Windows whose answers name their classes otherwise: services that name and number what they found, as they found it. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { ClassTable, LabelPng } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import { SegFormerTest } from "effect-segformer/testing"
import { LabelFile, Tiled } from "effect-segformer/tiled"
import { folder } from "../support/Folder.ts"
import * as support from "./support.ts"

type Table = Readonly<Record<number, string>>

const tableOf = (names: Table) =>
  ClassTable.make(Object.entries(names).map(([id, name]) => ({ id: Number(id), name })))

/** Two windows of 8 x 8 pixels side by side, each of one id, as they are put together. */
const joined = (...windows: ReadonlyArray<readonly [names: Table, id: number]>) =>
  Effect.gen(function* () {
    const size = { width: 8 * windows.length, height: 8 }
    const picture = yield* support.drawn(size)
    let next = 0
    const transport = SegFormerTest.layer(() => {
      const [names, id] = windows[next++]!
      const labelMap = { width: 1, height: 1, data: Uint8Array.of(id) }
      return Effect.succeed({ _tag: "Labels", classes: tableOf(names), labelMap })
    })
    const bands = yield* Tiled.segment(picture, { crop: 8, stride: 8, concurrency: 1 }).pipe(
      Stream.runCollect,
      Effect.provide(transport)
    )
    const ids = windows.map((_, column) => bands[0]?.data[column * 8] ?? -1)
    return { ids, names: bands.at(-1)?.classes ?? [] }
  }).pipe(Effect.provide(SharpCodec.layer))

describe("windows that name their classes", () => {
  const cases: ReadonlyArray<
    readonly [string, ReadonlyArray<readonly [Table, number]>, ReadonlyArray<number>, Table]
  > = [
    [
      "as they find them",
      [
        [{ 0: "sky" }, 0],
        [{ 0: "road" }, 0],
        [{ 0: "road", 1: "sky" }, 1]
      ],
      [0, 1, 0],
      { 0: "sky", 1: "road" }
    ],
    [
      "by the model's ids",
      [
        [{ 2: "sky" }, 2],
        [{ 5: "road" }, 5]
      ],
      [2, 5],
      { 2: "sky", 5: "road" }
    ],
    [
      "in other letters",
      [
        [{ 1: "Sky" }, 1],
        [{ 1: "sky" }, 1]
      ],
      [1, 1],
      { 1: "Sky" }
    ],
    [
      "two alike",
      [
        [{ 0: "a", 1: "a" }, 1],
        [{ 0: "a", 1: "a" }, 1]
      ],
      [1, 1],
      { 0: "a", 1: "a" }
    ],
    [
      "at first alone",
      [
        [{ 1: "sky" }, 1],
        [{}, 1]
      ],
      [1, 1],
      { 1: "sky" }
    ],
    [
      "later",
      [
        [{}, 3],
        [{ 3: "sky" }, 3]
      ],
      [3, 3],
      { 3: "sky" }
    ],
    [
      "not all of them",
      [
        [{ 1: "sky" }, 255],
        [{ 1: "road" }, 255],
        [{ 1: "road" }, 1]
      ],
      [255, 255, 2],
      { 1: "sky", 2: "road" }
    ]
  ]
  it.effect.each(cases)("%s", ([, windows, ids, names]) =>
    Effect.map(joined(...windows), (found) => {
      assert.deepStrictEqual([found.ids, found.names], [ids, tableOf(names)])
    })
  )

  it.effect("are not put together where logits are of other classes", () =>
    Effect.gen(function* () {
      const picture = yield* support.drawn({ width: 16, height: 8 })
      const names = [
        ["sky", "road"],
        ["road", "sky"]
      ]
      const transport = SegFormerTest.layer(() =>
        Effect.succeed({
          _tag: "Logits",
          classes: ClassTable.fromNames(names.shift() ?? []),
          logits: { width: 1, height: 1, classes: 2, data: Float32Array.of(0, 1) }
        })
      )
      const error = yield* Tiled.segment(picture, { crop: 8, stride: 8, concurrency: 1 }).pipe(
        Stream.runDrain,
        Effect.provide(transport),
        Effect.flip
      )
      assert.strictEqual(error._tag, "WindowsDisagree")
      assert.include(error.message, 'with "sky" as class 0 at first, but that at 8, 0 with "road" as class 0')
    }).pipe(Effect.provide(SharpCodec.layer))
  )

  it.live("stand in the file, unless others are given", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "a.png")
      const size = { width: 2, height: 2 }
      const bands = Stream.fromIterable(
        [["sky"], ["sky", "road"]].map((names, y) => ({
          y,
          width: 2,
          height: 1,
          data: Uint8Array.of(0, y),
          classes: ClassTable.fromNames(names),
          confidence: undefined
        }))
      )
      yield* LabelFile.write(path, size, bands)
      assert.deepStrictEqual(LabelPng.classesOf(readFileSync(path)), ClassTable.fromNames(["sky", "road"]))
      yield* LabelFile.write(path, size, bands, { classes: [] })
      assert.deepStrictEqual(LabelPng.classesOf(readFileSync(path)), [])
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )
})

describe("a window's answer", () => {
  it.effect("whose rows are the window's columns is refused, and not stretched", () =>
    Effect.gen(function* () {
      const picture = yield* support.drawn({ width: 16, height: 8 })
      const labelMap = { width: 8, height: 16, data: new Uint8Array(128) }
      const error = yield* Tiled.segment(picture, { crop: 16 }).pipe(
        Stream.runDrain,
        Effect.flip,
        Effect.provide(SegFormerTest.layer(() => Effect.succeed({ _tag: "Labels", classes: [], labelMap })))
      )
      assert.strictEqual(error._tag, "MaskNotDecodable")
      assert.match(error.message, /8 x 16 pixels, and the image 16 x 8: its rows may be columns/)
    }).pipe(Effect.provide(SharpCodec.layer))
  )
})
