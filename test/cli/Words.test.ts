/** The command writes no option of the library: what a message names is a flag, a variable, or nothing that could be set. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fixtures } from "effect-segformer/testing"
import * as Misspelt from "../../src/cli/Misspelt.ts"
import * as Words from "../../src/cli/Words.ts"
import { lines, run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"
import { http, sendJson } from "../support/TestServer.ts"

const sources = fileURLToPath(new URL("../../src", import.meta.url))

/** Rooms that the command's errors do not come from, and tables of variables, whose words are of what a variable takes. */
const left =
  /^(?:cli|testing|companions|render)\/|^server\/(?!Security)|(?:Variable|Variables|PolicyConfig|ExchangeConfig|SegFormerConfig)\.ts$/

/** What stands between such marks and is no option of anybody: fields of answers and of files, protocols, words to type, and functions. */
const noOptions = new Set([
  "Location",
  "box_2d",
  "crop_size",
  "do_center_crop",
  "fetch",
  "git lfs pull",
  "height",
  "image_mean",
  "image_processor_type",
  "image_std",
  "keep_aspect_ratio",
  "show_error",
  "width",
  "ImageCodec",
  "ImageSource.url",
  "SharpCodec.layer"
])

/** Options that a program alone can set wrongly: what the command gives for them it has checked. */
const ofPrograms = new Set([
  "assets",
  "authorize",
  "breaker.rate.minimumCalls",
  "crop",
  "format",
  "growth",
  "interval",
  "jitter",
  "margin",
  "minArea",
  "page",
  "scales",
  "size",
  "times",
  "tokens",
  "allowAnyone",
  "worker",
  "preprocessing.${name}"
])

/** Names that are made as the message is. */
const made: Readonly<Record<string, ReadonlyArray<string>>> = {
  "${option}": ["maxBodyBytes", "maxDecodedBytes", "attemptTimeout", "deadline", "input", "output"],
  "limits.${option}": ["limits.maxBytes", "limits.maxPixels"],
  "${called}: true": ["binary: true", "oneClass: true"],
  "${called}: false": ["binary: false", "oneClass: false"],
  "${called}: { classId }": ["binary: { classId }"],
  "${called}: { threshold }": ["binary: { threshold }"],
  "${called}: { classId, threshold }": ["oneClass: { classId, threshold }"],
  // Of an answer, of a preprocessor_config.json, of a program.
  "${this.path}": [],
  "${(answer.hide ?? nothing)(path)}": [],
  "${field}": [],
  "${ignored}": [],
  "${lacks}": [],
  "${name}": []
}

const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*/g, "")

/** What is quoted in the messages of a source, with the words around it. */
const quoted = (text: string): ReadonlyArray<{ readonly name: string; readonly around: string }> => {
  const code = withoutComments(text)
  const templates = [...code.matchAll(/\\`((?:[^`\\]|\\.)*?)\\`/g)]
  const strings = [...code.matchAll(/"(?:[^"\\\n]|\\.)*"/g)].flatMap((string) =>
    [...string[0].matchAll(/`([^`]+)`/g)].map((match) => ({
      ...match,
      index: string.index + match.index,
      1: match[1]
    }))
  )
  return [...templates, ...strings].map(({ 1: name = "", index }) => ({
    name,
    around: code.slice(Math.max(0, index - 200), index + 200).replaceAll("\\`", "`")
  }))
}

describe("messages of the library, as the command writes them", () => {
  it("name flags and variables for every option, each of which there is", () => {
    const files = readdirSync(sources, { recursive: true, encoding: "utf8" }).filter(
      (name) => name.endsWith(".ts") && !left.test(name)
    )
    let options = 0
    for (const file of files) {
      for (const { around, name } of quoted(readFileSync(join(sources, file), "utf8"))) {
        for (const own of made[name] ?? [name]) {
          if (noOptions.has(own) || ofPrograms.has(own)) continue
          options++
          const meant = Words.ofOption(own)
          const isSaid = !Words.plain(around.replaceAll(name, own)).includes(`\`${own}\``)
          assert.isTrue(
            meant !== undefined || isSaid,
            `${file} says \`${own}\`, which src/cli/Words.ts does not know`
          )
          const variable = meant?.match(/SEGFORMER_\w+/)?.[0]
          if (variable !== undefined) assert.isTrue(Misspelt.known.has(variable), variable)
        }
      }
    }
    assert.isAbove(options, 40)
  })

  it("are whole sentences after it", () => {
    for (const [said, meant] of [
      ["Raise `limits.maxPixels`, or make", "Raise --max-pixels, or make"],
      [
        'Say so with `transposed`, or have it stretched by `otherSize: "resize"`',
        "Say so with SEGFORMER_TRANSPOSED"
      ],
      [
        "on with `binary: { classId, threshold }`",
        `on with SEGFORMER_BINARY='{"classId": …, "threshold": …}'`
      ],
      ["with `oneClass: false` or `classes`", "with SEGFORMER_BINARY=off or SEGFORMER_CLASSES"],
      ["Say which one to read (`output`)", "Say which one to read (--model-output)"],
      ["Say with `output` which one it is", "Say with SEGFORMER_OUTPUT which one it is"],
      ["at `analysis_results.classes`: it", "at `analysis_results.classes`: it"]
    ] as const)
      assert.strictEqual(Words.plain(said), meant)
  })

  it.live("are the same on the terminal, in JSON, in failed.csv and in the report", () =>
    Effect.gen(function* () {
      const server = yield* http(({ method }, response) =>
        method === "POST" ? sendJson(response, { nothing: 1 }) : sendJson(response, { status: "ok" })
      )
      const env = { SEGFORMER_PROTOCOL: "custom", SEGFORMER_PATH: "/segment" }
      const cwd = yield* folder({ "in/a.png": Fixtures.image })
      const args = ["batch", "in", "--url", server.url, "--out", "o"]
      const { code, stderr } = yield* run(args, { cwd, env })
      assert.strictEqual(code, 1)
      const list = readFileSync(join(cwd, "o/failed.csv"), "utf8")
      const report = readFileSync(join(cwd, "o/report.html"), "utf8")
      const told = yield* run([...args, "--retry-failed", "--json"], { cwd, env })
      for (const text of [stderr, list, report, told.stdout]) {
        assert.include(text, "SEGFORMER_MASK")
        assert.notInclude(text, "mask.at")
      }
      const one = yield* run(["segment", "in/a.png", "--url", server.url, "--json"], { cwd, env })
      assert.include(JSON.stringify(lines(one.stdout)), "SEGFORMER_MASK")
      // Who said where it is is not told to say it.
      const set = yield* run(["segment", "in/a.png", "--url", server.url], {
        cwd,
        env: { ...env, SEGFORMER_MASK: "deep.mask" }
      })
      assert.include(
        set.stderr,
        "at `deep.mask`: there is nothing, and SEGFORMER_MASK says that the mask is there"
      )
      const large = yield* run(["batch", "in", "--out", "p", "--max-pixels", "10"], { cwd })
      assert.include(large.stderr, "Raise --max-pixels")
      assert.include(readFileSync(join(cwd, "p/failed.csv"), "utf8"), "Raise --max-pixels")
    }).pipe(Effect.scoped)
  )
})
