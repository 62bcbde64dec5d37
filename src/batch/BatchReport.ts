/**
 * The report of a run: one HTML file that needs no other, with how it went, how long images took, what failed, and
 * thumbnails of the images that took longest and of those the segmenter is least sure of.
 *
 * Whatever the count of images, a few dozen of them are held: the journal is read once, and the source up to the last
 * image that is shown. Thumbnails need an `ImageCodec` in the context; without one there are names only.
 */
import { basename, dirname } from "node:path"
import { Effect, type FileSystem, Option, Stream } from "effect"
import { CurrentImageCodec, type ImageCodec, type Raster } from "../image/ImageCodec.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Colors from "../render/Colors.ts"
import * as Overlay from "../render/Overlay.ts"
import * as Paint from "../render/Paint.ts"
import type { RunFolderFailed, SinkFailed } from "./BatchError.ts"
import type { BatchSource } from "./BatchSource.ts"
import type { Item } from "./Item.ts"
import type { Journal } from "./Journal.ts"
import { type DoneLine, isFailed, type Line } from "./JournalLine.ts"
import * as OutFolder from "./OutFolder.ts"
import type { Failure } from "./Receipt.ts"
import * as ReportPage from "./ReportPage.ts"
import type { Sink, WrittenLabels } from "./Sink.ts"

/** Images shown of each kind, and failures listed. */
const shown = 8
const listed = 500
/** Longest side of a thumbnail, in pixels. */
const maxSide = 360

/** The `count` lines that come first by a rank, the smallest rank first. */
const first = (count: number, rankOf: (line: DoneLine) => number | undefined) => {
  const kept: Array<{ readonly rank: number; readonly line: DoneLine }> = []
  return {
    add: (line: DoneLine): void => {
      const rank = rankOf(line)
      if (rank === undefined || (kept.length === count && rank >= kept[count - 1]!.rank)) return
      const at = kept.findIndex((other) => other.rank > rank)
      kept.splice(at < 0 ? kept.length : at, 0, { rank, line })
      if (kept.length > count) kept.pop()
    },
    lines: () => kept.map(({ line }) => line)
  }
}

/** Counts by size, in steps of 5 %: enough for percentiles of any number of values. */
const histogram = () => {
  const counts = new Uint32Array(400)
  let total = 0
  return {
    add: (value: number): void => {
      counts[Math.min(399, Math.max(0, Math.round(Math.log(Math.max(value, 0.1) * 10) / Math.log(1.05))))]!++
      total++
    },
    at: (share: number): number => {
      let left = total * share
      const bucket = counts.findIndex((count) => (left -= count) <= 0)
      return 1.05 ** bucket / 10
    },
    total: () => total
  }
}

/** Reads the journal of a run. */
export const read = (
  journal: Pick<Journal, "lines">
): Effect.Effect<ReportPage.RunSummary, RunFolderFailed> =>
  Effect.suspend(() => {
    const slowest = first(shown, (line) => (line.as === undefined ? -line.ms : undefined))
    const worst = first(shown, (line) => (line.as === undefined ? line.sure : undefined))
    const failures: Array<Failure> = []
    const tags = new Map<string, number>()
    const times = histogram()
    let repeated = 0
    const look = (line: Line): void => {
      if (isFailed(line)) {
        tags.set(line.tag, (tags.get(line.tag) ?? 0) + 1)
        if (failures.length < listed) failures.push(line)
      } else if (line.as !== undefined) repeated++
      else {
        slowest.add(line)
        worst.add(line)
        times.add(line.ms)
      }
    }
    return Effect.map(
      Stream.runForEach(journal.lines, (line) => Effect.sync(() => look(line))),
      () => ({
        slowest: slowest.lines(),
        worst: worst.lines(),
        failures,
        tags,
        repeated,
        times:
          times.total() === 0
            ? undefined
            : { half: times.at(0.5), most: times.at(0.95), nearlyAll: times.at(0.99) }
      })
    )
  })

export interface WriteOptions<R, R2> extends Omit<ReportPage.PageOptions, "source" | "thumbnails"> {
  /** The file. */
  readonly path: string
  readonly source: BatchSource<R>
  readonly sinks: ReadonlyArray<Sink<R2>>
}

/** Writes the page. */
export const write = Effect.fnUntraced(function* <R, R2>({
  path,
  sinks,
  source,
  ...page
}: WriteOptions<R, R2>): Effect.fn.Return<void, SinkFailed, R | R2 | FileSystem.FileSystem> {
  const { slowest, worst } = page.summary
  const codec = yield* CurrentImageCodec
  const thumbnails =
    codec === undefined
      ? new Map<string, ReportPage.Thumbnail>()
      : yield* thumbnailsOf(codec, [...slowest, ...worst], source, sinks)
  const html = ReportPage.html({ ...page, source: source.name, thumbnails })
  const out = OutFolder.make("report", dirname(path))
  yield* out.write(basename(path), Buffer.from(html))
})

/** Pictures by key, of those images that are still there. */
const thumbnailsOf = Effect.fnUntraced(function* <R, R2>(
  codec: ImageCodec["Service"],
  lines: ReadonlyArray<DoneLine>,
  source: BatchSource<R>,
  sinks: ReadonlyArray<Sink<R2>>
): Effect.fn.Return<ReadonlyMap<string, ReportPage.Thumbnail>, never, R | R2> {
  const wanted = new Set(lines.map(({ key }) => key))
  const labelMap = sinks.find((sink) => sink.labelMap !== undefined)?.labelMap
  const thumbnails = new Map<string, ReportPage.Thumbnail>()
  const draw = Effect.fnUntraced(function* (item: Item<R>) {
    const image = yield* item.image.open()
    const photo = yield* codec.decode(image)
    const small = reduce(photo)
    const map = labelMap === undefined ? Option.none() : yield* Effect.option(labelMap(item.key))
    const picture = Option.isNone(map) ? small : yield* painted(small, map.value)
    const bytes = yield* codec.encode(picture, "jpeg", { quality: 80 })
    const { height, width } = picture
    thumbnails.set(item.key, {
      width,
      height,
      url: `data:image/jpeg;base64,${Buffer.from(bytes).toString("base64")}`
    })
  })
  yield* source.items.pipe(
    Stream.takeWhile(() => wanted.size > 0),
    Stream.filter(({ key }) => wanted.delete(key)),
    Stream.runForEach((item) => Effect.ignore(draw(item))),
    Effect.ignore
  )
  return thumbnails
})

const reduce = (photo: Raster): Raster => {
  const { height, width } = Paint.within(photo, maxSide)
  return width === photo.width && height === photo.height ? photo : Paint.resize(photo, width, height)
}

/** A label PNG has colours, but no names: 0, which most models call background, is not painted. */
const painted = (photo: Raster, { palette: written, ...map }: WrittenLabels): Effect.Effect<Raster> => {
  const ids = [...LabelMap.histogram(map).keys()]
  const palette = written ?? Colors.paletteOf(ids.map((id) => ({ id, name: ClassTable.nameOf([], id) })))
  return Overlay.draw(photo, LabelMap.resize(map, photo.width, photo.height), { palette, hidden: [0] })
}
