/**
 * The sinks of this package: label maps and overlays, a file for each image; COCO and a table, one file for all of them,
 * which is put together at the end a piece at a time.
 *
 * ```ts
 * import { Sinks } from "effect-segformer/batch"
 *
 * const sinks = [Sinks.labels({ folder: "found" }), Sinks.coco({ path: "found/coco.json", tolerance: 1 })]
 * sinks.map(({ name }) => name) // => ["labels", "coco"]
 * ```
 */
export {
  type CocoOptions,
  coco,
  csv,
  type CsvOptions,
  type OutlineOptions,
  ranking,
  type RankingOptions
} from "./CollectedSinks.ts"
export { type FolderOptions, labels, type OverlayOptions, overlays, results } from "./FileSinks.ts"
