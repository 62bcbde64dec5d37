import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelMap, LabelPng, Ranking, Shares, Uncertainty } from "effect-segformer/mask"
import { lines, run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

const png = (...ids: ReadonlyArray<number>): Uint8Array =>
  Result.getOrThrow(
    LabelPng.encode(LabelMap.makeUnsafe({ width: ids.length, height: 1, data: Uint8Array.from(ids) }))
  )

const report = (image: string, entropy: number, margin: number, unsure: number) =>
  JSON.stringify({ image, classes: [], uncertainty: { entropy, margin, unsure } })

const truth = {
  "truth/a.png": png(0, 0, 1, 1),
  "truth/b.png": png(0, 0, 1, 1),
  "truth/c.png": png(0, 0, 0, 0)
}
const found = {
  "found/a.labels.png": png(0, 0, 1, 1),
  "found/a.json": report("in/a.jpg", 0.1, 0.9, 0.05),
  "found/b.labels.png": png(0, 0, 1, 1),
  "found/b.json": report("in/b.jpg", 0.6, 0.2, 0.5),
  "found/c.labels.png": png(1, 1, 1, 1),
  "found/c.json": report("in/c.jpg", 0.3, 0.1, 0.9)
}
const others = {
  "other/a.png": png(0, 0, 1, 0),
  "other/b.png": png(1, 1, 0, 0),
  "other/c.png": png(1, 1, 1, 1)
}

describe("which images next", () => {
  it.live("eval ranks them by how unsure the model was, by disagreement and by distance from the set", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ ...truth, ...found, ...others })
      const ranked = (...args: ReadonlyArray<string>) =>
        Effect.map(
          run(["eval", "found", "truth", "--json", ...args], { cwd }),
          ({ code, stderr, stdout }) => {
            assert.deepStrictEqual([code, stderr], [0, ""])
            return lines(stdout)[0]!["ranking"] as ReadonlyArray<Ranking.Row>
          }
        )
      const order = (rows: ReadonlyArray<Ranking.Row>) => rows.map(({ image }) => image).join("")
      assert.strictEqual(order(yield* ranked("--rank", "entropy")), "bca")
      assert.strictEqual(order(yield* ranked("--rank", "margin")), "cba")
      assert.strictEqual(order(yield* ranked("--rank", "unsure")), "cba")
      const distance = yield* ranked("--rank", "distance")
      assert.strictEqual(order(distance), "cab")
      assert.closeTo(distance[0]!.distance!, 1 / 3, 1e-12)
      const against = yield* ranked("--against", "other")
      assert.strictEqual(order(against), "bac")
      assert.deepStrictEqual(
        against.map(({ disagreement }) => disagreement),
        [1, 0.25, 0]
      )
      assert.deepStrictEqual(yield* ranked(), [])
      const table = yield* run(["eval", "found", "truth", "--rank", "entropy", "--html", "r.html"], { cwd })
      assert.match(table.stdout, /images to look at next +entropy +margin +unsure +distance\n +b +0\.6000/)
      const page = readFileSync(join(cwd, "r.html"), "utf8")
      assert.match(page, /Which images next.*<th scope="row">b<\/th><td>0\.600<\/td>/)
    }).pipe(Effect.scoped)
  )

  it.live("eval says what it lacks for a ranking", () =>
    Effect.gen(function* () {
      const { "other/c.png": _, ...some } = others
      const cwd = yield* folder({
        ...truth,
        ...some,
        "plain/a.png": png(0, 0, 1, 1),
        "plain/b.png": png(0, 0, 1, 1),
        "plain/c.png": png(0, 0, 0, 0)
      })
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, RegExp]> = [
        [["--rank", "entropy"], 2, /no \.json beside the predictions says how unsure/],
        [["--rank", "disagreement"], 2, /give its predictions with --against/],
        [["--rank", "beauty"], 2, /rank/],
        [["--against", "other"], 1, /c: it has no match in other/]
      ]
      for (const [args, ends, says] of cases) {
        const { code, stderr } = yield* run(["eval", "plain", "truth", ...args], { cwd })
        assert.strictEqual(code, ends, args.join(" "))
        assert.match(stderr, says)
      }
    }).pipe(Effect.scoped)
  )

  it.live("segment says how unsure the model is, and batch writes the list", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "in/a.jpg": readFileSync("docs/images/sample.jpg") })
      const alone = yield* run(["segment", "in", "--json"], { cwd })
      const own = lines(alone.stdout)[0]!["uncertainty"] as Uncertainty.Uncertainty
      assert.isTrue(
        own.entropy > 0 && own.entropy < 0.5 && own.margin > 0.5 && own.unsure < 0.2,
        JSON.stringify(own)
      )
      const { code } = yield* run(["batch", "in", "--out", "out", "--rank", "entropy", "--quiet"], { cwd })
      assert.strictEqual(code, 0)
      const [head, row] = readFileSync(join(cwd, "out", "ranking.csv"), "utf8").split("\r\n")
      assert.strictEqual(head, "image,entropy,margin,unsure,disagreement,distance")
      assert.strictEqual(row, `a.jpg,${own.entropy},${own.margin},${own.unsure},,0`)
    }).pipe(Effect.scoped)
  )
})

describe("Uncertainty", () => {
  it("is the mean entropy, margin and share below the threshold of the softmax", () => {
    const logits = { data: Float32Array.of(2, 0, 5, 1, 0, -300, 0, 0, 5), classes: 3, height: 1, width: 3 }
    const softmax = [0, 1, 2].map((i) => {
      const values = [0, 1, 2].map((k) => Math.exp(logits.data[k * 3 + i]!))
      const sum = values.reduce((a, b) => a + b)
      return values.map((value) => value / sum).toSorted((a, b) => b - a)
    })
    const mean = (of: (p: ReadonlyArray<number>) => number) => softmax.reduce((sum, p) => sum + of(p), 0) / 3
    const found = Uncertainty.fromLogits(logits)
    const entropy = (p: ReadonlyArray<number>) =>
      p.reduce((sum, q) => sum - (q === 0 ? 0 : q * Math.log(q)), 0) / Math.log(3)
    assert.closeTo(found.entropy, mean(entropy), 1e-9)
    assert.closeTo(
      found.margin,
      mean((p) => p[0]! - p[1]!),
      1e-9
    )
    assert.strictEqual(found.unsure, 2 / 3)
    assert.deepStrictEqual(
      Uncertainty.fromLogits({ data: Float32Array.of(3), classes: 1, height: 1, width: 1 }),
      {
        entropy: 0,
        margin: 1,
        unsure: 0
      }
    )
  })

  it("shares of an image without a counted pixel are none, and far from all others", () => {
    const none = Shares.of({ width: 2, height: 1, data: Uint8Array.of(255, 255), ignoreIndex: 255 })
    assert.strictEqual(none.size, 0)
    assert.strictEqual(Shares.distance(none, new Map([[0, 1]])), 0.5)
    assert.deepStrictEqual(
      Ranking.sorted([{ image: "b" }, { image: "a" }, { image: "c", margin: 1 }], "margin").map(
        ({ image }) => image
      ),
      ["c", "a", "b"]
    )
  })
})
