/** What Effect's own packages do alike is done alike here, in every room: docs/architecture.md lists it. */
import { globSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, pipe, Stream } from "effect"
import { ImageSource, segment, segmentAll } from "effect-segformer"
import {
  BinaryMask,
  ClassTable,
  ConfidenceMap,
  LabelMap,
  Metrics,
  Morphology,
  Palette
} from "effect-segformer/mask"
import { Logits } from "effect-segformer/mask"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"

/** Code without its comments. */
const sources = globSync("src/**/*.ts", { exclude: ["src/server/page/client/**"] }).map((path) => ({
  path,
  code: readFileSync(path, "utf8")
    .replaceAll(/\/\*\*[\s\S]*?\*\//g, "")
    .replaceAll(/^\s*\/\/.*$/gm, "")
}))

/** Layers that take options, and have no `layerConfig`: what they are told is no configuration. */
const notConfigured: Readonly<Record<string, string>> = {
  "src/Agreement.ts": "takes layers",
  "src/Fallback.ts": "takes layers",
  "src/Hedge.ts": "takes layers",
  "src/Transport.ts": "takes what a transport does",
  "src/batch/cluster/ClusterWorker.ts": "takes what a worker does",
  "src/companions/Analytics.ts": "its service is one of the registry",
  "src/companions/Notification.ts": "its service is one of the registry",
  "src/image/ImageCodec.ts": "takes what a codec does",
  "src/service/NodeProxy.ts": "beneath NodeHttp, which has one",
  "src/service/ServiceHealth.ts": "takes the question that is asked",
  "src/service/ServiceRegistry.ts": "is itself read from configuration",
  "src/testing/Chaos.ts": "misfortunes of a test",
  "src/testing/SegFormerTest.ts": "outcomes of a test"
}

describe("conventions", () => {
  const layered = sources.filter(({ code, path }) => {
    const inside = /(?:export const|static readonly) layer\s*=\s*(?:<[^>]*>)?\s*\(\s*\w/.test(code)
    return (inside || /export function layer</.test(code)) && !path.startsWith("src/cli/")
  })

  it("a layer with options has `layerConfig`, which takes a Config of them, and `make`", () => {
    assert.isAbove(layered.length, 12)
    const lacking = layered
      .filter(({ path }) => notConfigured[path] === undefined && !path.includes("/v1/"))
      .filter(({ code }) => !/layerConfig\s*=[\s\S]{0,80}config: Wrapped\.Wrap</.test(code))
    assert.deepStrictEqual(
      lacking.map(({ path }) => path),
      []
    )
    const unmade = layered
      // A client of HTTP is several services at once, an ensemble its members: there is no one thing to make.
      .filter(
        ({ path }) =>
          !/\/v1\/|Node(Http|Proxy|AddressGuard)\.ts$|testing\/|(ImageCodec|Agreement)\.ts$/.test(path)
      )
      .filter(({ code }) => !/\bmake\s*=|const make\b|function make\b/.test(code))
    assert.deepStrictEqual(
      unmade.map(({ path }) => path),
      []
    )
  })

  it("the list of exceptions has no more than it needs", () => {
    const needed = new Set(
      layered.filter(({ code }) => !/layerConfig\s*=/.test(code)).map(({ path }) => path)
    )
    assert.deepStrictEqual(
      Object.keys(notConfigured).filter((path) => !needed.has(path)),
      []
    )
  })

  it("a layerConfig takes nothing but a Config", () => {
    const wrong = sources.flatMap(({ code, path }) =>
      Array.from(
        code.matchAll(/layer\w*Config\s*=\s*(?:<[^>]*>)?\s*\(([\s\S]{0,60})/g),
        ([, head]) => [path, head!] as const
      )
    )
    assert.isAbove(wrong.length, 5)
    assert.deepStrictEqual(
      wrong.filter(([, head]) => !/^\s*config: Wrapped\.Wrap</.test(head)),
      []
    )
  })

  it("what may be there is a Context.Reference", () => {
    const asked = sources.flatMap(({ code, path }) =>
      Array.from(code.matchAll(/serviceOption\(([\w.]+)\)/g), ([, service]) => `${path} ${service}`)
    )
    // Effect's own service, which it looks for in the same way.
    assert.deepStrictEqual(asked, ["src/service/Exchange.ts FetchHttpClient.RequestInit"])
  })

  it("the platform is provided by the program: the command, not the rooms", () => {
    const platform = /\b(?:Node(?:FileSystem|Services|HttpClient|Crypto)|FetchHttpClient)\.layer(?:Undici)?\b/
    const inside = sources.filter(({ code, path }) => !path.startsWith("src/cli/") && platform.test(code))
    assert.deepStrictEqual(
      inside.map(({ path }) => path),
      []
    )
  })
})

describe("errors", () => {
  it("say where the fault lies, and whether trying again may help", async () => {
    const defining = sources.filter(
      ({ code, path }) =>
        /\bclass \w+ extends [^{]*\("\w+", /.test(code) &&
        /TaggedError<|ErrorKind\./.test(code) &&
        // The command's are exit codes, and a refusal is an answer of a server.
        !/^src\/(?:cli\/|server\/Refusal\.ts)/.test(path)
    )
    const errors = new Map<string, object>()
    for (const { path } of defining) {
      const module: Readonly<Record<string, unknown>> = await import(/* @vite-ignore */ `../${path}`)
      for (const [name, value] of Object.entries(module)) {
        const prototype: unknown = typeof value === "function" ? value.prototype : undefined
        if (prototype instanceof Error) errors.set(name, prototype)
      }
    }
    assert.isAbove(errors.size, 55)
    const lacking = [...errors].flatMap(([name, prototype]) =>
      ["concerns", "isRetryable", "isTransient", "message"]
        .filter((question) => !(question in prototype))
        .map((question) => `${name} ${question}`)
    )
    assert.deepStrictEqual(lacking, [])
  })
})

/** Functions over one of their kind that take more: the first of `self` alone, the other with it. */
const heads = sources
  .filter(({ path }) => path.startsWith("src/mask/") && path !== "src/mask/Grid.ts")
  .flatMap(({ code, path }) =>
    Array.from(
      code.matchAll(/export const (\w+) = \(\s*self: [\w.<>]+,\s*([^)]*?)\s*\): ([^=]+?) =>/g),
      ([, name, rest, result]) => ({ name: `${path} ${name}`, rest: rest!, result: result! })
    )
  )

describe("combinators", () => {
  it("a function of a mask and of what is required besides is data-first and data-last", () => {
    const single = heads.filter(
      // Those with options that may be left out cannot be told apart; those that write into something are no functions.
      ({ rest, result }) => !/[?=]/.test(rest.replaceAll("=>", "")) && result.trim() !== "void"
    )
    assert.deepStrictEqual(
      single.map(({ name }) => name),
      []
    )
  })

  const map = LabelMap.makeUnsafe({ width: 3, height: 2, data: Uint8Array.of(0, 1, 1, 2, 2, 0) })
  const mask = BinaryMask.fromLabelMap(map, 1)
  const other = BinaryMask.fromLabelMap(map, 2)
  const confidence = { width: 3, height: 2, data: Float32Array.of(0.5, 1, 0, 0.25, 0.5, 1) }
  const classes = ClassTable.fromNames(["background", "scratch"])
  const logits = { width: 1, height: 2, classes: 2, data: Float32Array.of(1, 0, 0, 2) }
  const box = { x: 1, y: 0, width: 2, height: 1 }
  const near = { radius: 1 }
  const confusion = Metrics.make(1)
  const pairs: ReadonlyArray<readonly [name: string, first: () => unknown, last: () => unknown]> = [
    ["BinaryMask.has", () => BinaryMask.has(mask, 1, 0), () => pipe(mask, BinaryMask.has(1, 0))],
    ["BinaryMask.and", () => BinaryMask.and(mask, other), () => pipe(mask, BinaryMask.and(other))],
    ["BinaryMask.or", () => BinaryMask.or(mask, other), () => pipe(mask, BinaryMask.or(other))],
    ["BinaryMask.xor", () => BinaryMask.xor(mask, other), () => pipe(mask, BinaryMask.xor(other))],
    [
      "BinaryMask.without",
      () => BinaryMask.without(mask, other),
      () => pipe(mask, BinaryMask.without(other))
    ],
    ["BinaryMask.iou", () => BinaryMask.iou(mask, mask), () => pipe(mask, BinaryMask.iou(mask))],
    ["BinaryMask.crop", () => BinaryMask.crop(mask, box), () => pipe(mask, BinaryMask.crop(box))],
    ["BinaryMask.rotate", () => BinaryMask.rotate(mask, 90), () => pipe(mask, BinaryMask.rotate(90))],
    ["BinaryMask.resize", () => BinaryMask.resize(mask, 6, 4), () => pipe(mask, BinaryMask.resize(6, 4))],
    ["LabelMap.at", () => LabelMap.at(map, 0, 1), () => pipe(map, LabelMap.at(0, 1))],
    ["LabelMap.equals", () => LabelMap.equals(map, map), () => pipe(map, LabelMap.equals(map))],
    ["LabelMap.crop", () => LabelMap.crop(map, box), () => pipe(map, LabelMap.crop(box))],
    [
      "LabelMap.remap",
      () => LabelMap.remap(map, new Map([[1, 9]])),
      () => pipe(map, LabelMap.remap(new Map([[1, 9]])))
    ],
    ["LabelMap.merge", () => LabelMap.merge(map, [1, 2], 5), () => pipe(map, LabelMap.merge([1, 2], 5))],
    [
      "ConfidenceMap.meanByClass",
      () => ConfidenceMap.meanByClass(confidence, map),
      () => pipe(confidence, ConfidenceMap.meanByClass(map))
    ],
    ["ClassTable.nameOf", () => ClassTable.nameOf(classes, 1), () => pipe(classes, ClassTable.nameOf(1))],
    ["Palette.colorOf", () => Palette.colorOf(classes, 1), () => pipe(classes, Palette.colorOf(1))],
    ["Logits.toLabelMap", () => Logits.toLabelMap(logits, 2, 2), () => pipe(logits, Logits.toLabelMap(2, 2))],
    [
      "Metrics.combine",
      () => Metrics.combine(confusion, confusion),
      () => pipe(confusion, Metrics.combine(confusion))
    ],
    ["Morphology.dilate", () => Morphology.dilate(mask, near), () => pipe(mask, Morphology.dilate(near))],
    ["Morphology.close", () => Morphology.close(mask, near), () => pipe(mask, Morphology.close(near))],
    [
      "Morphology.removeSmall",
      () => Morphology.removeSmall(mask, { minArea: 2 }),
      () => pipe(mask, Morphology.removeSmall({ minArea: 2 }))
    ],
    [
      "Morphology.removeSmallRegions",
      () => Morphology.removeSmallRegions(map, { minArea: 2 }),
      () => pipe(map, Morphology.removeSmallRegions({ minArea: 2 }))
    ]
  ]
  it.each(pairs)("%s is the same either way", (_, first, last) => {
    assert.isDefined(first())
    assert.deepStrictEqual(last(), first())
  })

  const fake = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
  const image = ImageSource.bytes(Fixtures.image)
  it.effect("segment and segmentAll are too, and keep their options", () =>
    Effect.gen(function* () {
      const direct = yield* segment(image, { limits: { maxPixels: 5000 } })
      for (const piped of [
        yield* pipe(image, segment({ limits: { maxPixels: 5000 } })),
        yield* pipe(image, segment())
      ]) {
        assert.deepStrictEqual([piped.width, piped.height], [direct.width, direct.height])
      }
      const refused = yield* Effect.flip(pipe(image, segment({ limits: { maxPixels: 5 } })))
      assert.strictEqual(refused._tag, "ImageTooLarge")
      const items = yield* Stream.make(image, image).pipe(segmentAll({ concurrency: 1 }), Stream.runCollect)
      assert.deepStrictEqual(
        items.map(({ index, result }) => [index, result._tag]),
        [
          [0, "Success"],
          [1, "Success"]
        ]
      )
      const all = yield* Stream.make(image).pipe(segmentAll({ stopOnFailure: true }), Stream.runCollect)
      assert.deepStrictEqual(
        all.map(({ width }) => width),
        [direct.width]
      )
      // What was opened already is no set of options either.
      const opened = yield* image.open()
      assert.strictEqual((yield* pipe(opened, segment({}))).width, direct.width)
    }).pipe(Effect.provide(fake))
  )
})
