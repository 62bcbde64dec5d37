/** The order in which images are exported: that of a table which `segformer batch --rank` wrote, the next to look at first. */
import { Effect, FileSystem, Stream } from "effect"
import { Csv } from "effect/encoding"
import { unguarded } from "../mask/Csv.ts"
import * as SystemError from "../SystemError.ts"
import * as ExitCode from "./ExitCode.ts"
import { imageEnding, type LabelFile, type LabelFiles } from "./LabelFolder.ts"

/** One line of the table. */
interface Row {
  readonly image: string
  /** 0 to 1, where the table has it. */
  readonly entropy: number | undefined
}

/** A label map and what the table says of its image. */
export interface Placed {
  readonly file: LabelFile
  /** How unsure the model was of it, 0 to 1. */
  readonly entropy: number | undefined
}

/** Those of the table in its order, the first `most` of them; those that it does not name after them. */
export const sort = Effect.fnUntraced(function* (
  path: string,
  files: LabelFiles,
  most: number | undefined
): Effect.fn.Return<ReadonlyArray<Placed>, ExitCode.Ended, FileSystem.FileSystem> {
  const byName = new Map<string, LabelFile>()
  for (const file of files) {
    for (const name of [file.key, file.image])
      if (name !== undefined && !byName.has(name)) byName.set(name, file)
  }
  const placed = new Map<string, Placed>()
  for (const { entropy, image } of yield* read(path)) {
    const file = byName.get(image) ?? byName.get(image.replace(imageEnding, ""))
    if (file !== undefined && !placed.has(file.key)) placed.set(file.key, { file, entropy })
  }
  if (placed.size === 0)
    return yield* ExitCode.wrong(`--order ${path}: it names no image of these label maps`)
  for (const file of files) if (!placed.has(file.key)) placed.set(file.key, { file, entropy: undefined })
  return [...placed.values()].slice(0, most)
})

/** A number of a cell; of images that nothing is known of it is empty. */
const numberOf = (cell = ""): number | undefined => {
  const value = cell.trim() === "" ? NaN : Number(cell)
  return Number.isFinite(value) ? value : undefined
}

const read = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<ReadonlyArray<Row>, ExitCode.Ended, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const fail = (reason: string) => ExitCode.wrong(`--order ${path}: ${reason}`)
  const [heading, ...rows] = yield* fs.stream(path).pipe(
    Stream.mapError((error) => fail(SystemError.unreadable(error))),
    Stream.decodeText(),
    Stream.pipeThroughChannel(Csv.decodeString<ExitCode.Ended>()),
    Stream.mapError((error) =>
      error._tag === "CsvError" ? fail(`line ${error.line}: ${error.message}`) : error
    ),
    Stream.runCollect
  )
  const column = heading?.indexOf("image") ?? -1
  if (column < 0)
    return yield* fail("it has no column image, as the ranking.csv of segformer batch --rank has")
  const entropy = heading?.indexOf("entropy") ?? -1
  return rows.flatMap((row) => {
    const name = row[column] ?? ""
    if (name === "") return []
    return [{ image: unguarded(name), entropy: numberOf(row[entropy]) }]
  })
})
