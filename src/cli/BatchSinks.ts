/** The sinks that a command line asks for, as data and as what they are: the runners of a cluster are sent the data. */
import { join } from "node:path"
import { type FileSystem, Schema } from "effect"
import type { Sink } from "../batch/Sink.ts"
import * as Sinks from "../batch/Sinks.ts"
import type { ImageCodec } from "../image/ImageCodec.ts"

export const Options = Schema.Struct({
  /** The folder of results. */
  out: Schema.String,
  overlays: Schema.Boolean,
  /** `coco.json` in the folder. */
  coco: Schema.Boolean,
  /** `classes.csv` or `regions.csv` in the folder. */
  csv: Schema.optional(Schema.Literals(["classes", "regions"])),
  /** `ranking.csv` in the folder, by this. */
  rank: Schema.optional(Schema.Literals(["entropy", "margin", "unsure", "distance"]))
})
export type Options = typeof Options.Type

/** The sinks: label maps always. */
export const make = (options: Options): ReadonlyArray<Sink<FileSystem.FileSystem | ImageCodec>> => {
  const { coco, csv, out: folder, overlays, rank } = options
  return [
    Sinks.results({ folder }),
    ...(overlays ? [Sinks.overlays({ folder })] : []),
    ...(coco ? [Sinks.coco({ path: join(folder, "coco.json") })] : []),
    ...(csv === undefined
      ? []
      : [Sinks.csv({ path: join(folder, `${csv}.csv`), regions: csv === "regions" })]),
    ...(rank === undefined ? [] : [Sinks.ranking({ path: join(folder, "ranking.csv"), by: rank })])
  ]
}
