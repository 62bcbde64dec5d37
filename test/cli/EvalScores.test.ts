import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { BinaryMask, LabelMap, LabelPng, Npy, Palette } from "effect-segformer/mask"
import { encode as encodePng } from "fast-png"
import { lines, run } from "../support/Command.ts"
import { fill, folder } from "../support/Folder.ts"

const png = (map: LabelMap.LabelMap): Uint8Array => Result.getOrThrow(LabelPng.encode(map))
const row = (...ids: ReadonlyArray<number>): LabelMap.LabelMap =>
  LabelMap.makeUnsafe({ width: ids.length, height: 1, data: Uint16Array.from(ids) })

/** Files of predictions and of the truth, by name. */
const evaluate = (
  found: Readonly<Record<string, Uint8Array>>,
  truth: Readonly<Record<string, Uint8Array>>,
  ...args: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const cwd = yield* folder()
    for (const name of ["found", "truth"]) mkdirSync(join(cwd, name))
    fill(join(cwd, "found"), found)
    fill(join(cwd, "truth"), truth)
    writeFileSync(join(cwd, "names.txt"), "background\npit\nscratch\n")
    return { cwd, ...(yield* run(["eval", "found", "truth", ...args], { cwd })) }
  })

const scored = (found: LabelMap.LabelMap, truth: LabelMap.LabelMap, ...args: ReadonlyArray<string>) =>
  Effect.map(
    evaluate({ "a.png": png(found) }, { "a.png": png(truth) }, ...args, "--json"),
    ({ code, stderr, stdout }) => {
      assert.deepStrictEqual([code, stderr], [0, ""])
      return lines(stdout)[0]!
    }
  )

describe("what flatters a score", () => {
  const truth = row(255, 255, 255, 0, 0, 0, 0, 0, 0, 0)

  it.live("a truth of 0 and 255 alone is asked about, and not scored before", () =>
    Effect.gen(function* () {
      for (const [found, args] of [
        [row(0, 0, 0, 0, 0, 0, 0, 0, 0, 0), []],
        [row(1, 1, 1, 0, 0, 0, 0, 0, 0, 0), ["--json"]],
        [row(0, 0, 0, 0, 0, 0, 0, 0, 0, 0), ["--classes", "names.txt", "--html", "report.html"]]
      ] as const) {
        const { code, stderr, stdout } = yield* evaluate(
          { "a.png": png(found) },
          { "a.png": png(truth) },
          ...args
        )
        assert.deepStrictEqual([code, stdout], [2, ""])
        assert.match(stderr, /0 and 255 alone.*--binary.*--ignore none.*--ignore 255/)
      }
      // It takes the whole set to tell; single ones are named.
      const one = png(row(0, 255))
      const two = yield* evaluate(
        { "a.png": png(row(0, 0)), "b.png": one },
        { "a.png": one, "b.png": png(row(0, 1)) },
        "--json"
      )
      assert.strictEqual(two.code, 0)
      assert.match(
        two.stderr,
        /^segformer: truth\/a\.png: it holds 0 and 255 alone, unlike the others, and 255 is not counted/
      )
      for (const said of [
        ["--ignore", "255"],
        ["--ignore", "none"]
      ]) {
        const { stderr } = yield* evaluate(
          { "a.png": png(row(0, 0)), "b.png": one },
          { "a.png": one, "b.png": png(row(0, 1)) },
          ...said
        )
        assert.notInclude(stderr, "alone")
      }
    }).pipe(Effect.scoped)
  )

  it.live("each answer gives its own score", () =>
    Effect.gen(function* () {
      const none = row(...truth.data.map(() => 0))
      const right = row(...truth.data.map((id) => id / 255))
      assert.deepInclude(yield* scored(none, truth, "--binary"), {
        meanIou: 0.35,
        pixels: 10,
        ignoredPixels: 0
      })
      assert.deepInclude(yield* scored(right, truth, "--binary"), { meanIou: 1 })
      assert.deepInclude(yield* scored(truth, right, "--binary"), { meanIou: 1 })
      assert.deepInclude(yield* scored(none, truth, "--ignore", "none"), { meanIou: 0.35, ignoredPixels: 0 })
      assert.deepInclude(yield* scored(none, truth, "--ignore", "255"), {
        meanIou: 1,
        pixels: 7,
        ignoredPixels: 3,
        ignoredShare: 0.3
      })
      const named = yield* scored(right, truth, "--binary")
      assert.deepStrictEqual(
        (named["classes"] as ReadonlyArray<{ readonly name: string }>).map(({ name }) => name),
        ["background", "object"]
      )
    }).pipe(Effect.scoped)
  )

  it.live(
    "masks of colours, of one bit and of another value are masks; a trimap keeps what is unknown out",
    () =>
      Effect.gen(function* () {
        const mask = BinaryMask.fromRows(["##..", "##.."])
        const inside = Array.from(mask.data)
        const rgb = encodePng({
          width: 4,
          height: 2,
          channels: 3,
          data: Uint8Array.from(inside.flatMap((v) => [255 * v, 255 * v, 255 * v]))
        })
        // As Pascal VOC paints cats and aeroplanes: dark is not black.
        const painted = encodePng({
          width: 4,
          height: 2,
          channels: 3,
          data: Uint8Array.from(inside.flatMap((v, i) => (i % 2 === 0 ? [64 * v, 0, 0] : [128 * v, 0, 0])))
        })
        const bit = Result.getOrThrow(LabelPng.encode(mask, { depth: 1 }))
        const other = png({ ...mask, data: mask.data.map((v) => v * 7) })
        const npy = Npy.fromLabelMap({ ...mask, data: Uint16Array.from(mask.data, (v) => v * 65_535) })
        for (const truth of [
          { "a.png": rgb },
          { "a.png": painted },
          { "a.png": bit },
          { "a.png": other },
          { "a.npy": npy }
        ]) {
          const { code, stdout } = yield* evaluate(
            { "a.png": LabelPng.encodeMask(mask) },
            truth,
            "--binary",
            "--json"
          )
          assert.strictEqual(code, 0)
          assert.deepInclude(lines(stdout)[0], { meanIou: 1, pixels: 8 })
        }
        const trimap = yield* scored(row(0, 1, 1, 0), row(0, 128, 255, 255), "--binary", "--ignore", "128")
        assert.deepInclude(trimap, { pixels: 3, ignoredPixels: 1, overallAccuracy: 2 / 3 })
        const grey = yield* evaluate({ "a.png": png(row(0, 1)) }, { "a.png": png(row(90, 255)) }, "--binary")
        assert.strictEqual(grey.code, 1)
        assert.match(grey.stderr, /it has ids 90, 255 besides 0: --binary is for 0 and one other/)
      }).pipe(Effect.scoped)
  )

  it.live("ignored pixels and images wholly ignored are counted and shown, in table, JSON and page", () =>
    Effect.gen(function* () {
      const maps = { "a.png": png(row(0, 1, 2, 2)), "b.png": png(row(1, 1, 1, 1)) }
      const truths = { "a.png": png(row(0, 1, 255, 2)), "b.png": png(row(255, 255, 255, 255)) }
      const table = yield* evaluate(maps, truths, "--html", "report.html")
      assert.match(table.stdout, /^2 images, 3 pixels, /)
      assert.match(
        table.stdout,
        /\n5 pixels more are ignored: 62\.5 % of the truth, and 1 of the images wholly\n/
      )
      const page = readFileSync(join(table.cwd, "report.html"), "utf8")
      assert.match(
        page,
        /2 images, 3 pixels\. 5 pixels more are ignored, 62\.5 % of the truth; wholly so: b\./
      )
      assert.match(page, /<dt>ignored of the truth<\/dt><dd>62\.5 %<\/dd>/)
      const json = yield* evaluate(maps, truths, "--json")
      assert.deepInclude(lines(json.stdout)[0], {
        images: 2,
        pixels: 3,
        ignoredPixels: 5,
        ignoredShare: 0.625,
        ignoredImages: ["b"]
      })
      const all = yield* evaluate({ "b.png": maps["b.png"] }, { "b.png": truths["b.png"] }, "--json")
      assert.deepStrictEqual([all.code, all.stdout], [1, ""])
      assert.match(all.stderr, /every pixel of the truth is ignored \(--ignore 255\)/)
      const same = yield* run(["eval", "found", "./found"], { cwd: table.cwd })
      assert.deepStrictEqual([same.code, same.stdout], [2, ""])
    }).pipe(Effect.scoped)
  )

  it.live("says that ids are too high to hold each against every other", () =>
    Effect.gen(function* () {
      const { cwd } = yield* evaluate({ "a.png": png(row(0, 1)) }, { "a.png": png(row(0, 1)) })
      writeFileSync(join(cwd, "ids.txt"), "0: background\n1: pit\n65535: void\n")
      const { code, stderr } = yield* run(["eval", "found", "truth", "--classes", "ids.txt"], { cwd })
      assert.strictEqual(code, 2)
      assert.match(stderr, /--classes has ids up to 65535.*ids below 8192 can be scored/)
    }).pipe(Effect.scoped)
  )

  it.live(
    "a class of id 255 is counted, unless it is called what none is or the truth's ids are by one higher",
    () =>
      Effect.gen(function* () {
        const found = row(0, 255, 1, 0)
        const truth = row(0, 255, 1, 255)
        const by = (name: string, ...args: ReadonlyArray<string>) =>
          Effect.gen(function* () {
            const { cwd } = yield* evaluate({ "a.png": png(found) }, { "a.png": png(truth) })
            writeFileSync(join(cwd, "ids.txt"), `0: background\n1: pit\n255: ${name}\n`)
            const command = ["eval", "found", "truth", "--classes", "ids.txt", "--json", ...args]
            const { code, stderr, stdout } = yield* run(command, { cwd })
            assert.deepStrictEqual([code, stderr], [0, ""])
            return lines(stdout)[0]!
          })
        assert.deepInclude(yield* by("panel"), { pixels: 4, ignoredPixels: 0, meanIou: 2 / 3 })
        assert.deepInclude(yield* by("panel", "--ignore", "255"), { pixels: 2, ignoredPixels: 2, meanIou: 1 })
        assert.deepInclude(yield* by("void"), { pixels: 2, ignoredPixels: 2, meanIou: 1 })
        assert.deepInclude(yield* by("panel", "--reduce-labels"), { pixels: 1, ignoredPixels: 3 })
        // A mask of an object that has a name is no question.
        const masks = yield* evaluate({ "a.png": png(row(0, 255)) }, { "a.png": png(row(0, 255)) })
        writeFileSync(join(masks.cwd, "ids.txt"), "0: background\n255: panel\n")
        const mask = yield* run(["eval", "found", "truth", "--classes", "ids.txt", "--json"], masks)
        assert.deepInclude(lines(mask.stdout)[0], { pixels: 2, meanIou: 1 })
      }).pipe(Effect.scoped)
  )

  it.live("several ids can be ignored, the largest too, and classes be left out of the means", () =>
    Effect.gen(function* () {
      const found = row(0, 0, 1, 1, 2, 2)
      const truth = row(0, 0, 1, 0, 2, 255)
      const names = ["--classes", "names.txt"]
      const both = yield* scored(found, truth, ...names, "--ignore", "0,255")
      assert.deepInclude(both, { pixels: 2, ignoredPixels: 4, meanIou: 1 })
      const gaps = yield* scored(row(255, 255, 1, 1, 2, 2), truth, ...names)
      assert.match(
        String(gaps["notes"]),
        /have no class .* on 2 of 5 pixels.*where the truth has a background/
      )
      // Background on an object: its IoU of 0 counts, as evaluate has it, and that is said.
      const onObject = row(0, 0, 1, 0, 0, 2)
      const object = row(0, 0, 1, 0, 2, 2)
      const halved = yield* scored(onObject, object, ...names, "--ignore", "0")
      assert.deepInclude(halved, { meanIou: 0.5 })
      assert.match(
        String(halved["notes"]),
        /background is ignored in the truth and predicted on 1 pixels of others/
      )
      for (const name of ["background", "0"]) {
        const whole = yield* scored(onObject, object, ...names, "--ignore", "0", "--exclude", name)
        assert.deepInclude(whole, { meanIou: 0.75, notes: [] })
      }
      const two = yield* scored(onObject, object, ...names, "--exclude", "background", "--exclude", "pit")
      assert.deepInclude(two, { meanIou: 0.5 })
      const wide = Npy.fromLabelMap({ width: 3, height: 1, data: Uint32Array.of(0, 1, 4_294_967_295) })
      const { stdout } = yield* evaluate(
        { "a.npy": wide },
        { "a.npy": wide },
        "--ignore",
        "4294967295",
        "--json"
      )
      assert.deepInclude(lines(stdout)[0], { pixels: 2, ignoredPixels: 1, meanIou: 1 })
      for (const wrong of ["-1", "4294967296", "1.5", "", "a", "1,,2"]) {
        const { code } = yield* evaluate(
          { "a.png": png(found) },
          { "a.png": png(truth) },
          `--ignore=${wrong}`
        )
        assert.strictEqual(code, 2, wrong)
      }
      const unknown = yield* evaluate(
        { "a.png": png(found) },
        { "a.png": png(truth) },
        ...names,
        "--exclude",
        "sky"
      )
      assert.strictEqual(unknown.code, 2)
      assert.match(unknown.stderr, /--exclude sky: no class is called so. There are background, pit, scratch/)
    }).pipe(Effect.scoped)
  )

  it.live("a palette that some program has put in another order is not read by its indices", () =>
    Effect.gen(function* () {
      const map = row(0, 0, 1, 2)
      const colours = [0, 1, 2].map((id) => Palette.colorOf(Palette.pascalVoc, id))
      const indexed = (data: Uint8Array, palette: ReadonlyArray<readonly [number, number, number]>) =>
        encodePng({
          width: 4,
          height: 1,
          channels: 1,
          depth: 8,
          data,
          palette: palette.map((color) => [...color])
        })
      const right = indexed(Uint8Array.of(0, 0, 1, 2), colours)
      const other = indexed(Uint8Array.of(2, 2, 1, 0), colours.toReversed())
      // One colour that is none of the classes: the indices are what there is.
      const foreign = indexed(Uint8Array.of(0, 0, 1, 2), [[1, 2, 3], ...colours.slice(0, 2)])
      const against = (truth: Uint8Array, ...args: ReadonlyArray<string>) =>
        evaluate({ "a.png": png(map) }, { "a.png": truth }, ...args, "--json")
      for (const [truth, args] of [
        [right, ["--classes", "voc"]],
        [foreign, ["--classes", "voc"]],
        [right, []],
        [foreign, []]
      ] as const) {
        const { code, stdout } = yield* against(truth, ...args)
        assert.strictEqual(code, 0)
        assert.strictEqual(lines(stdout)[0]?.["meanIou"], 1)
      }
      const { code, stderr } = yield* against(other, "--classes", "voc")
      assert.strictEqual(code, 1)
      assert.match(stderr, /colours of the classes at other indices.*Convert it to RGB/)
      // Where no classes are told, the colours are those of Pascal VOC, or greys that are the ids.
      const greys = (...values: ReadonlyArray<number>) =>
        values.map((value) => [value, value, value] as const)
      const data = Uint8Array.of(0, 0, 1, 2)
      for (const [palette, isRefused] of [
        [[colours[1]!, colours[2]!, colours[0]!], true],
        [[colours[1]!, colours[0]!, colours[2]!], true],
        [[colours[1]!, colours[2]!, Palette.vocColor(3)], true],
        [[colours[1]!, colours[2]!, Palette.vocColor(3), Palette.vocColor(4)], false],
        [greys(1, 2, 0), true],
        [greys(0, 2, 1), true],
        [greys(5, 0, 255), true],
        [greys(0, 1, 2), false],
        [greys(0, 128, 255), false],
        [greys(255, 128, 0), false],
        [greys(0, 36, 73, 109, 146, 182, 219, 255), false],
        [[...greys(0, 255), [255, 0, 0] as const], false],
        [[colours[1]!, colours[2]!, Palette.vocColor(3), [1, 2, 3] as const], false],
        [[colours[1]!, colours[0]!, [1, 2, 3] as const], false]
      ] as const) {
        const told = yield* against(indexed(data, palette))
        assert.strictEqual(told.code, isRefused ? 1 : 0, JSON.stringify(palette))
        if (isRefused) assert.match(told.stderr, /at other indices/)
        const named = yield* against(indexed(data, palette), "--classes", "names.txt")
        assert.strictEqual(named.code, 0)
      }
      // What is around VOC's things has a colour in RGB as well, and is not counted.
      const void255 = encodePng({
        width: 4,
        height: 1,
        channels: 3,
        depth: 8,
        data: Uint8Array.from([0, 0, 255, 2].flatMap((id) => [...Palette.vocColor(id)]))
      })
      const around = yield* against(void255, "--classes", "voc")
      assert.deepInclude(lines(around.stdout)[0], { pixels: 3, ignoredPixels: 1, meanIou: 1 })
      // Ids that count from 1 are not those of the classes, and their colours are.
      const counted = indexed(Uint8Array.of(1, 1, 2, 3), [[9, 9, 9], ...colours])
      assert.strictEqual((yield* against(counted, "--classes", "voc", "--reduce-labels")).code, 0)
    })
  )

  it.live("names in another order than the label maps have are refused, others are taken", () =>
    Effect.gen(function* () {
      const map = row(0, 1, 2, 2)
      const classes = ["background", "pit", "scratch"].map((name, id) => ({ id, name }))
      const own = Result.getOrThrow(LabelPng.encode(map, { classes }))
      const coloured = encodePng({
        width: 4,
        height: 1,
        channels: 3,
        data: Uint8Array.of(0, 0, 0, 250, 50, 83, 61, 61, 245, 61, 61, 245)
      })
      const cwd = yield* folder()
      for (const name of ["found", "truth"]) mkdirSync(join(cwd, name))
      fill(join(cwd, "found"), { "a.png": own })
      fill(join(cwd, "truth"), { "a.png": coloured })
      for (const [names, code] of [
        ["background:0,0,0::\npit:250,50,83::\nscratch:61,61,245::", 0],
        ["Background:0,0,0::\nhole:250,50,83::\nscratch:61,61,245::", 0],
        ["background:0,0,0::\nscratch:61,61,245::\npit:250,50,83::", 2]
      ] as const) {
        writeFileSync(join(cwd, "labelmap.txt"), `# label:color_rgb:parts:actions\n${names}\n`)
        const told = ["--classes", "labelmap.txt"]
        const scores = yield* run(["eval", "found", "truth", ...told, "--json"], { cwd })
        const exported = yield* run(["export", "coco", "found", ...told, "--out", "coco.json"], { cwd })
        assert.deepStrictEqual([scores.code, exported.code], [code, code], names)
        if (code === 0) assert.strictEqual(lines(scores.stdout)[0]?.["meanIou"], 1)
        else
          assert.match(scores.stderr, /"pit" is class 2 in --classes, and class 1 in what the label maps say/)
      }
    }).pipe(Effect.scoped)
  )

  it.live(
    "a truth that counts from 1 has its own names at other ids, and of names that are not used nothing is said",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder({ "names.txt": new TextEncoder().encode("wall\ndoor\n") })
        for (const name of ["found", "truth"]) mkdirSync(join(cwd, name))
        fill(join(cwd, "found"), { "a.png": png(row(0, 0, 1, 1)) })
        fill(join(cwd, "truth"), { "a.png": png(row(1, 1, 2, 2)) })
        const classes = [
          { id: 1, name: "wall" },
          { id: 2, name: "door" }
        ]
        for (const text of [JSON.stringify({ image: "a.jpg", classes }), "{"]) {
          writeFileSync(join(cwd, "truth", "a.json"), text)
          for (const [args, code] of [
            [["--reduce-labels"], 0],
            [[], text === "{" ? 1 : 2]
          ] as const) {
            const told = ["--classes", "names.txt", ...args, "--json"]
            const scores = yield* run(["eval", "found", "truth", ...told], { cwd })
            assert.strictEqual(scores.code, code, `${text} ${args.join(" ")}`)
            assert.notInclude(scores.stderr, "a.json")
            if (code === 0) assert.strictEqual(lines(scores.stdout)[0]?.["meanIou"], 1)
          }
        }
      }).pipe(Effect.scoped)
  )
})
