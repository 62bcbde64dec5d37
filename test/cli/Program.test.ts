/** What the command says of itself and of a command line that cannot be meant. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelPng } from "effect-segformer/mask"
import { command } from "../../src/cli/Program.ts"
import { run, runProcess, start } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"

const service = ["--url", "http://127.0.0.1:1"]
const database = ["--db", "postgres://127.0.0.1:1/none"]
/** A label map, which is a picture too. */
const own = Result.getOrThrow(LabelPng.encode({ width: 4, height: 2, data: new Uint8Array(8) }))
const commands = command.subcommands.flatMap((group) => group.commands.map(({ name }) => name))

describe("a command line that cannot be meant ends with 2 and one line that says what to do", () => {
  const cases: Readonly<Record<string, ReadonlyArray<readonly [args: ReadonlyArray<string>, says: RegExp]>>> =
    {
      "of a service and a model, one": [
        ["segment", "a.png"],
        ["tile", "a.png"],
        ["batch", "a", "-o", "b"],
        ["batch", "a", "-o", "b", ...database],
        ["serve"],
        ["health"],
        ["worker", ...database]
      ].map((args) => [
        [...args, ...service, "--model", "m"],
        /^segformer: give --url or --model, not both\n$/
      ]),
      "colours of a mask are a service's": [
        ["segment", "a.png"],
        ["batch", "a", "-o", "b"]
      ].map((args) => [[...args, "--palette", "voc"], /^segformer: --palette .* give its --url too/]),
      "runs in a database": [["--run", "x"], ["--chunk", "5"], ["--detach"], ["--shards", "9"]].map(
        (flag) => [
          ["batch", "a", "-o", "b", ...flag],
          /^segformer: --(run|chunk|detach|shards) is for runs in a database: give its --db too\n$/
        ]
      ),
      "runs on this machine": [["--concurrency", "4"], ["--adaptive"], ["--price", "1"], ["--report"]].map(
        (flag) => [
          ["batch", "a", "-o", "b", ...database, ...flag],
          /^segformer: --(concurrency|adaptive|price|report) does nothing with --db .*leave it out\n$/
        ]
      ),
      "formats that know a flag": [
        ["yolo", "--transform", "1,0,0,0,1,0"],
        ["csv", "--transform", "1,0,0,0,1,0"],
        ["coco", "--regions"],
        ["csv", "--min-area", "5"],
        ["csv", "--regions", "--tolerance", "1"],
        ["png", "--tolerance", "1"],
        ["npy", "--background"]
      ].map(([format = "", flag = "", ...more]) => [
        ["export", format, "a.png", "-o", "b", flag, ...more],
        /^segformer: --[a-z-]+ is for [a-z, -]+, and not for [a-z]+( --regions)?: leave it out\n$/
      ]),
      "a report's pictures": [
        [
          ["eval", "a", "b", "--images", "c"],
          /^segformer: --images is for the report: give its --html too\n$/
        ],
        [["eval", "a", "b", "--worst", "3"], /^segformer: --worst is for the report/]
      ],
      "what only models here have": [["--sessions", "2"], ["--confidence"], ["--no-confidence"]].map(
        (flag) => [["serve", ...service, ...flag], /^segformer: --[a-z-]+ is for models here, and not /]
      ),
      "pictures by name": [
        [["serve", "--pictures", "."], /^segformer: --pictures .* add --protocol imageprocessing\n$/]
      ],
      "windows that leave gaps": [
        [["tile", "a.png", "--stride", "600"], /^segformer: --stride must be at most --crop\n$/]
      ],
      "one name of a model": [
        [
          ["serve", "--model", "a=x", "--name", "b"],
          /^segformer: --name and the NAME of --model .* one of them\n$/
        ]
      ],
      "a picture of one's own that is none": [
        [
          ["probe", "http://127.0.0.1:1", "--image", "nowhere.png"],
          /^segformer: There is no image at nowhere\.png\n$/
        ]
      ],
      "runs by name": [
        [["runs", "list", "x", ...database], /segformer runs status x\n$/],
        [["runs", "pause", ...database], /^segformer: which run\? segformer runs pause RUN\n$/]
      ],
      "numbers and sizes": [
        [["segment", "a.png", "--concurrency", "zero"], /--concurrency: "zero"\. Expected: a number\n/],
        [["segment", "a.png", "--max-pixels", "-3"], /"-3"\. Expected: a whole number of at least 1\n/],
        [
          ["segment", "a.png", "--max-bytes", "much"],
          /"much"\. Expected: a size such as 1048576, 512k or 50M\n/
        ],
        [["export", "coco", "a.png", "-o", "b", "--ignore", "-1"], /Expected: class ids with commas between/]
      ],
      "a transform that leaves nothing of an image": [
        [
          ["export", "geojson", "own.png", "-o", "b", "--transform", "1,1,0,1,1,0"],
          /Expected: six numbers with commas between, .* that leave an image an area\n/
        ]
      ],
      addresses: [
        [
          ["probe", "localhost:8080"],
          /begins with http:\/\/ or https:\/\/, such as http:\/\/localhost:8080\n/
        ],
        [["segment", "a.png", "--url", "inspector/v1"], /such as http:\/\/inspector\/v1\n/],
        [["serve", "--url", "ftp://me:secret@inspector"], /"ftp:\/\/…@inspector"/]
      ],
      "words that are no command": [
        [["sgment", "a.png"], /Did you mean this\? segment\n/],
        [["panel.jpg"], /no command "panel\.jpg"\. There are segment, tile, /],
        [["help", "panel.jpg"], /no command "panel\.jpg"/]
      ],
      "results in the place of what they are made from": [
        [
          ["tile", "own.png", "-o", "./own.png"],
          /^segformer: \.\/own\.png is what the result .* another --out\n$/
        ],
        [["export", "csv", "own.png", "-o", "own.png"], /^segformer: own\.png is what the result/],
        [["export", "png", "own.png", "-o", "."], /^segformer: own\.png is what the result/]
      ],
      "paths of nothing": [
        [["segment", ""], /Expected: a path, and not an empty word\n/],
        [["batch", "a", "-o", ""], /Expected: a path, and not an empty word\n/]
      ]
    }

  for (const [name, lines] of Object.entries(cases)) {
    it.live(name, () =>
      Effect.gen(function* () {
        const cwd = yield* folder({ "own.png": own })
        for (const [args, says] of lines) {
          const { code, stderr, stdout } = yield* run(args, { cwd })
          assert.deepStrictEqual([code, stdout], [2, ""], args.join(" "))
          assert.match(stderr, says, args.join(" "))
        }
        assert.deepStrictEqual(names(cwd), ["own.png"])
      }).pipe(Effect.scoped)
    )
  }
})

describe("what the command says of itself", () => {
  it.live("help, of it and of each command, with examples; asked for by a word too", () =>
    Effect.gen(function* () {
      const whole = yield* run(["--help"])
      assert.strictEqual(whole.code, 0)
      for (const word of [...commands, "EXAMPLES", "Exit codes"]) assert.include(whole.stdout, word)
      assert.deepStrictEqual(yield* run(["help"]), whole)
      for (const name of commands) {
        const help = yield* run([name, "--help"])
        assert.deepStrictEqual([help.code, help.stderr], [0, ""])
        assert.include(help.stdout, "EXAMPLES")
        assert.deepStrictEqual(yield* run(["help", name]), help)
      }
    })
  )

  it.live("completes for shells", () =>
    Effect.gen(function* () {
      for (const shell of ["bash", "zsh", "fish", "powershell"]) {
        const { code, stdout } = yield* run(["--completions", shell])
        assert.strictEqual(code, 0)
        assert.include(stdout, "max-pixels")
      }
    })
  )
})

describe("the bundled command", () => {
  /** A question, and the same one in words that it has no ready answer to. */
  const questions: ReadonlyArray<readonly [ready: ReadonlyArray<string>, made: ReadonlyArray<string>]> = [
    [["--version"], ["--version=true"]],
    [["-v"], ["--version=true"]],
    [["--help"], ["--help=true"]],
    [
      ["segment", "-h"],
      ["segment", "--help=true"]
    ],
    [["--completions", "bash"], ["--completions=bash"]]
  ]

  it.live("answers questions about itself before it loads anything, as it would have said it", () =>
    Effect.gen(function* () {
      for (const [ready, made] of questions) {
        const { stderr, stdout } = yield* runProcess(ready, { env: { NODE_DEBUG: "esm" } })
        assert.match(stderr, /\/main\.js/)
        assert.notMatch(stderr, /\/Process-[\w-]+\.js/)
        const asMade = yield* run(made)
        assert.deepStrictEqual([asMade.code, asMade.stdout], [0, stdout], ready.join(" "))
      }
    })
  )

  it.live("ends with 141 where nobody reads its answer", () =>
    Effect.gen(function* () {
      const running = yield* start(["--completions", "zsh"])
      running.process.stdout?.destroy()
      const { code, stderr } = yield* Effect.promise(() => running.ended)
      assert.deepStrictEqual([code, stderr], [141, ""])
    }).pipe(Effect.scoped)
  )

  it.live("in colours where they are wanted, and not elsewhere", () =>
    Effect.gen(function* () {
      for (const env of [
        {},
        { FORCE_COLOR: "1" },
        { FORCE_COLOR: "0" },
        { FORCE_COLOR: "1", NO_COLOR: "1" },
        { FORCE_COLOR: "1", TERM: "dumb" }
      ]) {
        const ready = yield* runProcess(["--help"], { env })
        const made = yield* runProcess(["--help=true"], { env })
        assert.strictEqual(ready.stdout, made.stdout, JSON.stringify(env))
      }
    })
  )

  it.live("loads what its work takes, and nothing of other commands", () =>
    Effect.gen(function* () {
      const loaded = (...args: ReadonlyArray<string>) =>
        Effect.map(
          runProcess(["segment", "none.png", ...args], { env: { NODE_DEBUG: "esm,module" } }),
          ({ stderr }) => stderr
        )
      const work = yield* loaded()
      assert.match(work, /\/Segment-[\w-]+\.js/)
      assert.notMatch(work, /\/(Serve|BatchRun|cluster|Tiled|Undici)-[\w-]+\.js/)
      const refused = yield* loaded("--palette", "voc")
      assert.match(refused, /\/Process-[\w-]+\.js/)
      assert.notMatch(refused, /\/(Segment|Undici)-[\w-]+\.js|node_modules\/(onnxruntime|sharp|undici)/)
    })
  )
})
