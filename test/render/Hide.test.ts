import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { Raster } from "effect-segformer/image"
import { Components, LabelMap, LabelPng, Palette } from "effect-segformer/mask"
import { Colors, Hide } from "effect-segformer/render"
import { Fixtures } from "effect-segformer/testing"
import * as fc from "fast-check"
import sharp from "sharp"
import { labelMaps, random } from "../mask/support.ts"
import { serve } from "../server/support.ts"
import { lines, run } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"

const noise = (width: number, height: number, channels: 1 | 3 | 4, seed: number): Raster => {
  const next = random(seed)
  return {
    width,
    height,
    channels,
    data: Uint8Array.from({ length: width * height * channels }, () => Math.floor(next() * 256))
  }
}

describe("Hide", () => {
  it("changes what is hidden and around it, and nothing else", () => {
    fc.assert(
      fc.property(
        labelMaps({ maxSide: 40, classes: 3 }),
        fc.constantFrom(1 as const, 3 as const, 4 as const),
        fc.constantFrom("blur" as const, "pixelate" as const),
        fc.integer({ min: 0, max: 3 }),
        (map, channels, style, grow) => {
          const image = noise(map.width, map.height, channels, 3)
          const before = Uint8Array.from(image.data)
          const hidden = Hide.paint(image, map, { ids: [1], style, grow })
          assert.deepStrictEqual(image.data, before)
          assert.deepStrictEqual(
            [hidden.width, hidden.height, hidden.channels],
            [map.width, map.height, channels]
          )
          for (let i = 0; i < map.data.length; i++) {
            const [x, y] = [i % map.width, Math.floor(i / map.width)]
            let isNear = false
            for (let v = y - grow; v <= y + grow; v++)
              for (let u = x - grow; u <= x + grow; u++) isNear ||= LabelMap.at(map, u, v) === 1
            if (isNear) continue
            for (let c = 0; c < channels; c++)
              assert.strictEqual(hidden.data[i * channels + c], image.data[i * channels + c])
          }
        }
      )
    )
  })

  it("leaves nothing of a region but the means of a few blocks: what has these looks the same", () => {
    fc.assert(
      fc.property(
        labelMaps({ maxSide: 48, classes: 2 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer(),
        (map, cells, seed) => {
          const image = noise(map.width, map.height, 3, seed)
          // The pixels of each block in another order: as far from the original as can be.
          const shuffled = { ...image, data: Uint8Array.from(image.data) }
          const parts = Components.make(map, { exclude: [0] })
          const labels = Components.toLabels(parts)
          const next = random(seed + 1)
          for (let part = 1; part <= parts.count; part++) {
            const own = Array.from(labels.keys()).filter((i) => labels[i] === part)
            const [xs, ys] = [own.map((i) => i % map.width), own.map((i) => Math.floor(i / map.width))]
            const [left, top] = [Math.min(...xs), Math.min(...ys)]
            const side = Math.max(Math.max(...xs) - left + 1, Math.max(...ys) - top + 1) / cells
            const blocks = new Map<string, Array<number>>()
            for (const i of own) {
              const column = Math.floor(((i % map.width) - left) / side)
              const key = `${column} ${Math.floor((Math.floor(i / map.width) - top) / side)}`
              blocks.set(key, [...(blocks.get(key) ?? []), i])
            }
            assert.isAtMost(blocks.size, cells * cells)
            for (const block of blocks.values()) {
              const order = block.toSorted(() => next() - 0.5)
              for (const [k, i] of block.entries())
                for (let c = 0; c < 3; c++) shuffled.data[i * 3 + c] = image.data[order[k]! * 3 + c]!
            }
          }
          for (const style of ["blur", "pixelate"] as const) {
            const options = { ids: [1], style, cells, grow: 0 }
            assert.deepStrictEqual(
              Hide.paint(shuffled, map, options).data.filter((_, i) => map.data[Math.floor(i / 3)] === 1),
              Hide.paint(image, map, options).data.filter((_, i) => map.data[Math.floor(i / 3)] === 1)
            )
          }
        }
      ),
      { numRuns: 60 }
    )
  })
})

describe("segformer segment --blur, --pixelate, --cut-out", () => {
  const at = (bytes: Uint8Array) =>
    Effect.promise(async () => {
      const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true })
      return { data, channels: info.channels }
    })

  it.live("hides a class in every picture, cuts another out, and refuses one that there is not", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder()
      mkdirSync(join(cwd, "in"))
      const { height, width } = Fixtures.labelMap
      const picture = noise(width, height, 3, 9)
      writeFileSync(
        join(cwd, "in", "a.png"),
        yield* Effect.promise(() =>
          sharp(picture.data, { raw: { width, height, channels: 3 } })
            .png()
            .toBuffer()
        )
      )
      const args = ["segment", "in/a.png", "--url", url, "--json", "--out", "out"]
      const { code, stderr, stdout } = yield* run(
        [...args, "--blur", "Scratch", "--cut-out", "particle", "--opacity", "0"],
        { cwd }
      )
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(names(join(cwd, "out")), [
        "a.cut-out.png",
        "a.hidden.png",
        "a.json",
        "a.labels.png",
        "a.overlay.png"
      ])
      assert.deepInclude(lines(stdout)[0]?.["files"], {
        cutOut: "out/a.cut-out.png",
        hidden: "out/a.hidden.png"
      })
      const map = Result.getOrThrow(LabelPng.decode(readFileSync(join(cwd, "out", "a.labels.png"))))
      const hidden = yield* at(readFileSync(join(cwd, "out", "a.hidden.png")))
      const expected = Hide.paint(picture, map, { ids: [2] })
      assert.deepStrictEqual(Uint8Array.from(hidden.data), expected.data)
      const cut = yield* at(readFileSync(join(cwd, "out", "a.cut-out.png")))
      assert.strictEqual(cut.channels, 4)
      const wrong = yield* run([...args, "--blur", "person"], { cwd })
      assert.strictEqual(wrong.code, 2)
      assert.match(wrong.stderr, /--blur person: no class is called so\. There are background, particle/)
    }).pipe(Effect.scoped)
  )
})

describe("palettes of people and clothes", () => {
  it("have ATR's 18 classes and LIP's 20, and are known by their names", () => {
    assert.deepStrictEqual([Palette.atr.length, Palette.lip.length], [18, 20])
    assert.deepStrictEqual(
      [Palette.atr[4]?.name, Palette.atr[17]?.name, Palette.lip[13]?.name],
      ["Upper-clothes", "Scarf", "Face"]
    )
    const named = Palette.atr.map(({ id, name }) => ({ id, name }))
    assert.deepStrictEqual(Colors.paletteOf(named), Palette.atr)
  })
})
