/** Words and variables that are not what they look like. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Arguments from "../../src/cli/Arguments.ts"
import { run } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"

const commands = [
  "segment",
  "tile",
  "batch",
  "serve",
  "page",
  "health",
  "probe",
  "eval",
  "export",
  "worker",
  "runs"
]

describe("a word behind one dash", () => {
  it.live("is no file, and the command says how to name it, and does nothing", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({})
      for (const command of commands) {
        for (const word of ["-dash.png", "-ho.png", "-v1.png", "-hidden", "-photo=1.png", "-überblick.jpg"]) {
          const { code, stderr, stdout } = yield* run([command, word, "--out", "o"], { cwd })
          assert.deepStrictEqual([code, stdout], [2, ""], `${command} ${word}`)
          assert.include(stderr, `${word} begins with a dash, and is no flag`)
          assert.include(stderr, `./${word}`)
        }
      }
      for (const args of [
        ["segment", "b.bmp", "-ho.png"],
        ["segment", "--out", "-hello", "b.bmp"],
        ["-hx.png"],
        ["help", "-hx"]
      ])
        assert.strictEqual((yield* run(args, { cwd })).code, 2, args.join(" "))
      assert.include((yield* run(["segment", "b.bmp", "-ofound"], { cwd })).stderr, "write -o found")
      for (const word of ["-help", "-version", "-out=x", "-no-page"])
        assert.include((yield* run(["segment", word], { cwd })).stderr, `is -${word} meant?`)
      assert.deepStrictEqual(names(cwd), [])
    }).pipe(Effect.scoped)
  )

  it.live("is a flag, several flags, or a number, as before", () =>
    Effect.gen(function* () {
      for (const [args, said] of [
        [["-h"], /USAGE/],
        [["segment", "-qh"], /USAGE/],
        [["segment", "-hq"], /USAGE/],
        [["-v"], /\d+\.\d+\.\d+/],
        [["segment", "-qv"], /\d+\.\d+\.\d+/]
      ] as const) {
        const { code, stdout } = yield* run(args)
        assert.strictEqual(code, 0, args.join(" "))
        assert.match(stdout, said)
      }
      const number = yield* run(["export", "coco", "a.png", "--out", "x", "--tolerance", "-1.5"])
      assert.include(number.stderr, "a number of at least 0")
      const after = yield* run(["segment", "--", "-dash.png"])
      assert.strictEqual(after.code, 1)
      assert.notInclude(after.stderr, "begins with a dash")
      assert.isUndefined(Arguments.dashed(["segment", "-", "-q", "-o=x", "--hidden"]))
    })
  )

  it.live("of one letter is one of those that help tells of", () =>
    Effect.gen(function* () {
      const told = new Map<string, boolean>()
      for (const command of commands) {
        const { stdout } = yield* run([command, "--help"])
        // eslint-disable-next-line no-control-regex
        const plain = stdout.replaceAll(/\u001B\[[\d;]*m/g, "")
        for (const [, letter = "", value] of plain.matchAll(/(?<=[\s,])-([a-z])\b(?:, --[\w-]+)?( \S+)?/g))
          told.set(letter, (told.get(letter) ?? false) || (value !== undefined && value.trim() !== ""))
      }
      assert.deepStrictEqual([...told.keys()].sort(), Object.keys(Arguments.letters).sort())
    })
  )
})

describe("a variable that stands for a flag", () => {
  it.live("is named with its value and what it takes, where it is refused", () =>
    Effect.gen(function* () {
      const port = "a whole number from 0 to 65535"
      for (const [command, name, value, wanted] of [
        ["serve", "SEGFORMER_SERVE_PORT", "abc", "a"],
        ["serve", "SEGFORMER_SERVE_PORT", "99999", port],
        ["serve", "SEGFORMER_SERVE_PORT", "80.5", "a"],
        ["serve", "SEGFORMER_SERVE_QUEUE", "-1", "a whole number of at least 0"],
        ["serve", "SEGFORMER_SERVE_MIN_AREA", "few", "a"],
        ["serve", "SEGFORMER_SERVE_TOLERANCE", "-2", "a number of at least 0"],
        ["serve", "SEGFORMER_SERVE_TOLERANCE", "x", "a"],
        ["serve", "SEGFORMER_SERVE_NO_PAGE", "perhaps", ""],
        ["serve", "SEGFORMER_SERVE_CACHE", "much", "a size such as 512k or 64M"],
        ["serve", "SEGFORMER_SERVE_MAX_BYTES", "much", "a size such as 1048576, 512k or 50M"],
        ["serve", "SEGFORMER_SERVE_MAX_PIXELS", "0", "a whole number of at least 1"],
        ["serve", "SEGFORMER_SERVE_PROTOCOL", "none", "one or more of inspection"],
        ["serve", "SEGFORMER_SERVE_OBJECTS", "all", "region or class"],
        ["serve", "SEGFORMER_SERVE_LABEL_STUDIO", "nowhere", "an address such as"],
        ["worker", "SEGFORMER_WORKER_PORT", "70000", port],
        ["worker", "SEGFORMER_WORKER_PORT", "x", "a"],
        ["worker", "SEGFORMER_TAKEOVER", "0", "a whole number of at least 1"],
        ["worker", "SEGFORMER_SHARDS", "many", "a"]
      ] as const) {
        const env = { SEGFORMER_DB: "postgres://me:hidden@127.0.0.1:1/none", [name]: value }
        const { code, stderr } = yield* run([command], { env })
        assert.strictEqual(code, 2, name)
        assert.include(stderr, `segformer: ${name} is "${value}", but must be ${wanted}`)
        assert.notMatch(stderr, /config"|SchemaError|hidden/)
      }
      // What the command line says is refused as that.
      const given = yield* run(["serve", "--port", "99999"], { env: { SEGFORMER_SERVE_PORT: "99999" } })
      assert.include(given.stderr, "--port")
    })
  )
})
