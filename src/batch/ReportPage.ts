/** The page of a run's report. Names are escaped, whatever is in them. */
import { Duration } from "effect"
import { style } from "../render/EvalReport.ts"
import { escape } from "../render/Svg.ts"
import type { DoneLine } from "./JournalLine.ts"
import type { Progress } from "./Progress.ts"
import type { Failure } from "./Receipt.ts"

/** What is known of a run when its journal was read once. */
export interface RunSummary {
  readonly slowest: ReadonlyArray<DoneLine>
  /** Those the segmenter is least sure of. */
  readonly worst: ReadonlyArray<DoneLine>
  readonly failures: ReadonlyArray<Failure>
  readonly tags: ReadonlyMap<string, number>
  /** Images whose results are those of another with the same content. */
  readonly repeated: number
  /** Milliseconds that half, 95 % and 99 % of the images took at most, within 5 %. */
  readonly times: { readonly half: number; readonly most: number; readonly nearlyAll: number } | undefined
}

/** A picture by its `data:` URL; sizes in pixels. */
export interface Thumbnail {
  readonly url: string
  readonly width: number
  readonly height: number
}

export interface PageOptions {
  readonly source: string
  /** Images that are done and that failed, over all sessions. */
  readonly done: number
  readonly failed: number
  readonly progress: Progress
  readonly summary: RunSummary
  /** By key. */
  readonly thumbnails: ReadonlyMap<string, Thumbnail>
}

const whole = new Intl.NumberFormat("en-US")
const money = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 })

const millis = (value: number): string =>
  value < 1000 ? `${value.toPrecision(3).replace(/\.0+$/, "")} ms` : `${(value / 1000).toFixed(1)} s`

/** A duration in its two largest units. */
export const time = (duration: Duration.Duration): string => {
  const seconds = Math.round(Duration.toSeconds(duration))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/** The page. */
export const html = ({ done, failed, progress, source, summary, thumbnails }: PageOptions): string => {
  const { cost, elapsed, rate } = progress
  const { failures, repeated, slowest, tags, times, worst } = summary
  const tiles: ReadonlyArray<readonly [string, string]> = [
    ["images done", whole.format(done)],
    ["failed", whole.format(failed)],
    ...(repeated === 0 ? [] : [["of them equal to others", whole.format(repeated)] as const]),
    ["this session", time(elapsed)],
    ["images a second, lately", rate.toPrecision(3)],
    ...(cost === undefined ? [] : [["cost of this session", money.format(cost.spent)] as const])
  ]
  const shares: ReadonlyArray<readonly [string, string]> =
    times === undefined
      ? []
      : [
          ["half of the images within", millis(times.half)],
          ["95 % within", millis(times.most)],
          ["99 % within", millis(times.nearlyAll)]
        ]
  const list = (all: typeof tiles) =>
    `<dl class="tiles">${all.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join("")}</dl>`
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${whole.format(done)} ${done === 1 ? "image" : "images"} of ${escape(source)}</title>`,
    `<style>${style}</style>`,
    "<main>",
    "<h1>A run over many images</h1>",
    `<p>${escape(source)}</p>`,
    list(tiles),
    times === undefined ? "" : `<h2>At the segmenter</h2>${list(shares)}`,
    gallery("The slowest", slowest, thumbnails, (line) => millis(line.ms) + attempts(line)),
    gallery(
      "Those the segmenter is least sure of",
      worst,
      thumbnails,
      ({ sure = 0 }) => `${(sure * 100).toFixed(1)} % sure`
    ),
    failures.length === 0
      ? ""
      : `<h2>Failed</h2><p>${[...tags]
          .sort((a, b) => b[1] - a[1])
          .map(([tag, count]) => `${whole.format(count)} × ${escape(tag)}`)
          .join(", ")}</p><ul>${failures
          .map(
            ({ key, message, tag }) => `<li><b>${escape(key)}</b> (${escape(tag)}): ${escape(message)}</li>`
          )
          .join("")}</ul>`,
    failures.length < failed
      ? `<p class="note">The first ${whole.format(failures.length)} are listed.</p>`
      : "",
    "</main>",
    "</html>",
    ""
  ].join("\n")
}

const attempts = ({ n }: DoneLine): string => (n > 1 ? `, ${n} attempts` : "")

const gallery = (
  title: string,
  lines: ReadonlyArray<DoneLine>,
  thumbnails: ReadonlyMap<string, Thumbnail>,
  say: (line: DoneLine) => string
): string => {
  if (lines.length === 0) return ""
  const figures = lines.map((line) => {
    const thumbnail = thumbnails.get(line.key)
    const picture =
      thumbnail === undefined
        ? ""
        : `<img src="${thumbnail.url}" width="${thumbnail.width}" height="${thumbnail.height}" alt="${escape(line.key)}" loading="lazy">`
    return `<figure>${picture}<figcaption>${escape(line.key)}<br>${line.w} × ${line.h} pixels, ${say(line)}</figcaption></figure>`
  })
  return `<h2>${title}</h2><div class="pictures">${figures.join("\n")}</div>`
}
