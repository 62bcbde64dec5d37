/** The recipes of docs/contributing.md, applied to a copy of the sources. */
import { execFile } from "node:child_process"
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { folder, names } from "../support/Folder.ts"

const contributing = readFileSync("docs/contributing.md", "utf8")

/** The files that the recipe under a heading names. */
const filesOf = (heading: string): ReadonlyArray<string> => {
  const [, text] = contributing.split(`### ${heading}\n`)
  const [recipe = ""] = (text ?? "").split("\n#")
  const lines = recipe.split("\n").filter((line) => line !== "")
  assert.isAtMost(lines.length, 5)
  return Array.from(recipe.matchAll(/`(src\/[\w/.]+)`/g), (match) => match[1]!).sort()
}

interface Change {
  /** A text that stands in the file once. */
  readonly after: string
  readonly add: string
}

const run = promisify(execFile)

const exportFormat = {
  "src/mask/exports/NAME.ts": `import { Result } from "effect"
import * as Steps from "../Steps.ts"
import * as ExportFormat from "./ExportFormat.ts"

export const format = ExportFormat.make({
  title: "Sizes",
  description: "Width and height",
  mediaType: "text/x-sizes",
  ending: "sizes",
  uses: [],
  per: "image",
  open: () => ({
    encode: ({ map }) =>
      Steps.once(() => Result.succeed(new TextEncoder().encode(\`\${map.width} \${map.height}\`)))
  })
})
`,
  "src/mask/Exports.ts": [
    {
      after: 'import * as Yolo from "./exports/Yolo.ts"',
      add: '\nimport * as Sizes from "./exports/NAME.ts"'
    },
    { after: "  rle: Rle.format", add: ",\n  sizes: Sizes.format" }
  ]
}

const imageType = {
  "src/image/ImageFormat.ts": [
    {
      after: "const rows = {",
      add: `
  svg: {
    title: "SVG",
    endings: ["svg"],
    mediaType: "image/svg+xml",
    begins: (ascii) => ascii(0, 4) === "<svg",
    decoder: { sharp: "svg" },
    streams: "never"
  },`
    }
  ],
  "src/image/ImageHeader.ts": [
    {
      after: "  webp: HeaderReaders.webp,",
      add: `
  svg: (view, ascii) => {
    const [, width, height] = /width="(\\d+)" height="(\\d+)"/.exec(ascii(0, view.byteLength)) ?? []
    return { _tag: "Sized", width: Number(width), height: Number(height), orientation: 1 }
  },`
    }
  ]
}

const flag = {
  "src/cli/SegmentCommand.ts": [
    {
      after: "const flags = {",
      add: '\n  remark: Flag.String("remark").pipe(Flag.withDescription("Said first"), Flags.optional),'
    }
  ],
  "src/cli/Segment.ts": [
    {
      after: "const segmentAll = Effect.fnUntraced(function* (options: Options) {",
      add: "\n  if (options.remark !== undefined) yield* Screen.say(options.remark)"
    }
  ]
}

const recipes: Readonly<Record<string, Readonly<Record<string, ReadonlyArray<Change> | string>>>> = {
  "A format that label maps are exported in": exportFormat,
  "A type of image files": imageType,
  "A flag of a command": flag
}

const apply = (copy: string, file: string, change: ReadonlyArray<Change> | string): void => {
  const path = join(copy, file)
  if (typeof change === "string") return writeFileSync(path, change)
  let text = readFileSync(path, "utf8")
  for (const { add, after } of change) {
    assert.strictEqual(text.split(after).length, 2, `${file} has "${after}" once`)
    text = text.replace(after, () => after + add)
  }
  writeFileSync(path, text)
}

const svg =
  '<svg width="64" height="32" xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'

describe("the recipes", () => {
  it("are five lines at most, and name the files that they take", () => {
    for (const [heading, changes] of Object.entries(recipes))
      assert.deepStrictEqual(Object.keys(changes).sort(), filesOf(heading))
  })

  it.live("work: a format of exports, a type of image files and a flag are all there is to add", () =>
    Effect.gen(function* () {
      const copy = yield* folder()
      for (const name of ["src", "package.json", "tsconfig.json"])
        cpSync(name, join(copy, name), { recursive: true })
      symlinkSync(join(process.cwd(), "node_modules"), join(copy, "node_modules"))
      for (const changes of Object.values(recipes))
        for (const [file, change] of Object.entries(changes)) apply(copy, file, change)
      const node = (cwd: string, ...args: ReadonlyArray<string>) =>
        Effect.map(
          Effect.promise(() => run(process.execPath, ["-C", "effect-segformer-source", ...args], { cwd })),
          ({ stdout }) => stdout
        )
      // What is wrong with its types is told on standard output, and makes the promise fail.
      const types = ["-p", "src", "--noEmit", "--singleThreaded"]
      assert.strictEqual(yield* node(copy, "node_modules/typescript/bin/tsc", ...types), "")

      const cwd = yield* folder({ "in/a.svg": svg })
      const command = (...args: ReadonlyArray<string>) => node(cwd, join(copy, "src/cli/main.ts"), ...args)
      assert.match(
        yield* command("segment", "in", "--remark", "at last"),
        /^at last\nin\/a\.svg, 64 × 32 pixels/
      )
      assert.include(yield* command("segment", "--help"), "Said first")
      yield* command("export", "sizes", "segformer-out/a.labels.png", "--out", "found")
      const [written = ""] = names(join(cwd, "found"))
      assert.match(written, /\.sizes$/)
      assert.strictEqual(readFileSync(join(cwd, "found", written), "utf8"), "64 32")
      const told = yield* node(
        copy,
        "--input-type=module",
        "-e",
        `import { OpenApi } from "effect/http-api"
import { SegFormerApi } from "./src/server/v1/Api.ts"
console.log(JSON.stringify(OpenApi.fromApi(SegFormerApi)))`
      )
      assert.include(told, "text/x-sizes")
    })
  )
})
