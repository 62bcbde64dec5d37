/** The classes that `--classes` names: a known set, a model's, or those of a file, as annotation tools write such files too. */
import { join } from "node:path"
import { Effect, FileSystem, Option, Result, Schema } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Palette from "../mask/Palette.ts"
import * as ExitCode from "./ExitCode.ts"

/** For errors. */
const sources =
  `${Palette.names.join(", ")}, a model's folder or its config.json, a JSON array of names, a text file with a ` +
  "name a line, or a tool's labelmap.txt, label_colors.txt or _classes.csv"

const Id2Label = Schema.Record(Schema.String, Schema.String)
const decodeNames = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Schema.String)))
const decodeConfig = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ id2label: Id2Label })))
const decodeTable = Schema.decodeUnknownOption(Schema.fromJsonString(Id2Label))

/** The classes that these words stand for. */
export const read = Effect.fnUntraced(function* (
  source: string
): Effect.fn.Return<ClassTable.ClassTable, ExitCode.Ended, FileSystem.FileSystem> {
  const table = Palette.byName(source)
  if (table !== undefined) return table
  const fs = yield* FileSystem.FileSystem
  const fail = (reason: string) => ExitCode.wrong(`--classes ${source}: ${reason}`)
  const info = yield* Effect.mapError(fs.stat(source), () =>
    fail(`there is no such file, and no such name. Give ${sources}`)
  )
  const path = info.type === "Directory" ? join(source, "config.json") : source
  const text = yield* Effect.mapError(fs.readFileString(path), (error) => fail(error.message))
  const found = /^\s*[[{]/.test(text) ? ofJson(text) : ofLines(text)
  return yield* Effect.mapError(Effect.fromResult(found), fail)
})

const ofJson = (text: string): Result.Result<ClassTable.ClassTable, string> => {
  const found = Option.firstSomeOf([
    Option.map(decodeNames(text), ClassTable.fromNames),
    Option.map(decodeConfig(text), ({ id2label }) => ClassTable.fromId2Label(id2label)),
    Option.map(decodeTable(text), ClassTable.fromId2Label)
  ])
  if (Option.isNone(found))
    return Result.fail("it is JSON, but neither an array of names nor an object with id2label")
  return found.value.length === 0 ? Result.fail("it names no classes") : Result.succeed(found.value)
}

/** Lines of tools: of CVAT and Datumaro (labelmap.txt), of CamVid and KITTI (label_colors.txt), of tables of colours, of Roboflow (_classes.csv). */
const forms = [
  /^(?<name>[^:]+):(?:(?<r>\d+),(?<g>\d+),(?<b>\d+))?:[^:]*:[^:]*$/,
  /^(?<r>\d+)\s+(?<g>\d+)\s+(?<b>\d+)\s+(?<name>\S.*)$/,
  /^(?:(?<id>\d+)\s*[,\t]\s*)?(?<name>[^,\t]+)[,\t]\s*(?<r>\d+)\s*[,\t]\s*(?<g>\d+)\s*[,\t]\s*(?<b>\d+)$/,
  // A digit behind the number is of a name: "0,5 mm", "1:2 scale".
  /^(?<id>\d+)\s*(?<between>[,:\t])(?!\d)\s*(?<name>(?:(?!\k<between>).)+)$/
]

/** The names of columns. */
const heading =
  /^(?:(?:id|idx|index|class|category|label|name|pixel|value|train|colou?r|rgb|red|green|blue|[rgb]|parts|actions)(?:e?s)?(?![a-z\d])[\s,:_]*)+$/i

const ofLines = (text: string): Result.Result<ClassTable.ClassTable, string> => {
  const names = text.split(/\r?\n/).map((line) => line.trim())
  while (names.at(-1) === "") names.pop()
  const lines = names.filter((line) => line !== "" && !line.startsWith("#"))
  if (lines.length === 0) return Result.fail("it is empty")
  const body = heading.test(lines[0]!) ? lines.slice(1) : lines
  for (const form of forms) {
    const rows = body.map((line) => form.exec(line)?.groups)
    if (rows.length === 0 || !rows.every((row) => row !== undefined)) continue
    const classes = rows.map(({ b, g, id, name = "", r }, index): ClassTable.ClassInfo => ({
      id: Number(id ?? index),
      name,
      ...(r === undefined ? {} : { color: [Number(r), Number(g), Number(b)] })
    }))
    const found = ClassTable.make(classes)
    return found.length < classes.length ? Result.fail("it has an id twice") : Result.succeed(found)
  }
  const other = names.findIndex((line) => /^#|^[\w-]+:(\s*[[{]|$)|^id[,\t]/i.test(line))
  if (other >= 0)
    return Result.fail(`line ${other + 1} is no name, and lines are counted: give a file with a name a line`)
  // labelme counts this one as -1.
  return Result.succeed(ClassTable.fromNames(names[0] === "__ignore__" ? names.slice(1) : names))
}
