/**
 * The scores of a data set as a page: one HTML file that needs no other, for light and dark screens, with the scores of
 * each class, what is taken for what, and pictures of the worst images. Names are escaped, whatever is in them.
 */
import * as ClassTable from "../mask/ClassTable.ts"
import type { Confusion, Scores } from "../mask/Metrics.ts"
import * as Palette from "../mask/Palette.ts"
import * as Ranking from "../mask/Ranking.ts"
import * as Difference from "./Difference.ts"
import * as Legend from "./Legend.ts"
import { escape } from "./Svg.ts"

/** The scores of one image. */
export interface ImageScores {
  readonly name: string
  readonly meanIou: number | undefined
  readonly overallAccuracy: number | undefined
  /** Pixels counted; 0 where all of the truth is ignored. */
  readonly pixels: number
  /** Pixels of the truth that were ignored. */
  readonly ignored: number
}

/** A picture by its address, which may be a `data:` URL; sizes in pixels. */
export interface Picture {
  readonly title: string
  readonly url: string
  readonly width: number
  readonly height: number
}

/** An image and its pictures. */
export interface Pictured extends ImageScores {
  readonly pictures: ReadonlyArray<Picture>
}

/** What was found over a data set. */
export interface Evaluation {
  readonly classes: ClassTable.ClassTable
  readonly scores: Scores
  readonly boundary:
    | { readonly classes: ReadonlyArray<number | undefined>; readonly mean: number | undefined }
    | undefined
  readonly confusion: Confusion
  readonly images: ReadonlyArray<ImageScores>
  /** Images in the order in which to look at them; empty where nobody asked. */
  readonly ranking: ReadonlyArray<Ranking.Row>
  /** Ids of classes that are in no mean. */
  readonly excluded: ReadonlySet<number>
  /** What a reader of the means has to know, a sentence each. */
  readonly notes: ReadonlyArray<string>
  /** What was left out, and why. */
  readonly problems: ReadonlyArray<{ readonly name: string; readonly reason: string }>
}

export interface ReportOptions {
  readonly palette: ClassTable.ClassTable
  /** The worst images, the worst first. */
  readonly pictures: ReadonlyArray<Pictured>
  /** Where the predictions are from, in words. */
  readonly predictions: string
  /** Where the truth is from, in words. */
  readonly truth: string
}

const number = new Intl.NumberFormat("en-US")
const percent = (value: number | undefined): string =>
  value === undefined ? "–" : `${(value * 100).toFixed(1)} %`

/** The share of the truth that is ignored, in %. @internal */
export const share = ({ ignored, pixels }: Scores): string => Legend.percent(ignored / (ignored + pixels))

const ignoredLine = ({ images, scores }: Evaluation): string => {
  if (scores.ignored === 0) return ""
  const whole = images.filter(({ pixels }) => pixels === 0).map(({ name }) => name)
  return (
    ` ${number.format(scores.ignored)} pixels more are ignored, ${escape(share(scores))} of the truth` +
    (whole.length === 0
      ? "."
      : `; wholly so: ${escape(whole.slice(0, most).join(", "))}${whole.length > most ? ", …" : ""}.`)
  )
}

/** The page. */
export const html = (found: Evaluation, options: ReportOptions): string => {
  const { boundary, images, problems, scores } = found
  const tiles: ReadonlyArray<readonly [string, string]> = [
    ["mean IoU", percent(scores.meanIou)],
    ...(boundary === undefined ? [] : [["mean boundary IoU", percent(boundary.mean)] as const]),
    ["mean Dice", percent(scores.meanDice)],
    ["overall accuracy", percent(scores.overallAccuracy)],
    ["mean accuracy", percent(scores.meanAccuracy)],
    ["frequency-weighted IoU", percent(scores.frequencyWeightedIou)],
    ["ignored of the truth", scores.ignored === 0 ? "0 %" : share(scores)]
  ]
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${percent(scores.meanIou)} mean IoU: ${escape(options.predictions)}</title>`,
    `<style>${style}</style>`,
    "<main>",
    "<h1>Segmentation scores</h1>",
    `<p>${escape(options.predictions)} against ${escape(options.truth)}: ${number.format(images.length)} ` +
      `${images.length === 1 ? "image" : "images"}, ${number.format(scores.pixels)} pixels.` +
      `${ignoredLine(found)}</p>`,
    ...found.notes.map((note) => `<p class="note">${escape(note)}.</p>`),
    `<dl class="tiles">${tiles.map(([name, value]) => `<div><dt>${name}</dt><dd>${escape(value)}</dd></div>`).join("")}</dl>`,
    classTable(found, options.palette),
    confusionTable(found),
    rankingTable(found),
    worst(options),
    problems.length === 0
      ? ""
      : `<h2>Left out</h2><ul>${problems
          .map(({ name, reason }) => `<li><b>${escape(name)}</b>: ${escape(reason)}</li>`)
          .join("")}</ul>`,
    "</main>",
    "</html>",
    ""
  ].join("\n")
}

const swatch = (palette: ClassTable.ClassTable, id: number): string =>
  `<i style="background:${Palette.toHex(Palette.colorOf(palette, id))}"></i>`

const bar = (value: number | undefined): string =>
  value === undefined
    ? "<td>–</td>"
    : `<td class="bar" style="--share:${(value * 100).toFixed(2)}%">${percent(value)}</td>`

const classTable = (
  { boundary, classes, excluded, scores }: Evaluation,
  palette: ClassTable.ClassTable
): string => {
  const rows = scores.classes
    .filter(({ predicted, truth }) => predicted > 0 || truth > 0)
    .map(
      (own) =>
        `<tr><th scope="row">${swatch(palette, own.id)}${escape(ClassTable.nameOf(classes, own.id))}` +
        `${excluded.has(own.id) ? ' <span class="note">in no mean</span>' : ""}</th>` +
        `<td>${number.format(own.truth)}</td>${bar(own.iou)}` +
        (boundary === undefined ? "" : bar(boundary.classes[own.id])) +
        `${bar(own.dice)}${bar(own.precision)}${bar(own.recall)}</tr>`
    )
  const missing = scores.classes.length - rows.length
  return (
    "<h2>Classes</h2>" +
    `<div class="wide"><table><tr><th>class</th><th>pixels</th><th>IoU</th>` +
    (boundary === undefined ? "" : "<th>boundary IoU</th>") +
    `<th>Dice</th><th>precision</th><th>recall</th></tr>${rows.join("")}</table></div>` +
    (missing === 0
      ? ""
      : `<p class="note">${missing} ${missing === 1 ? "class that does" : "classes that do"} not occur ` +
        `${missing === 1 ? "is" : "are"} left out of the means.</p>`)
  )
}

/** Rows and columns of the table; more would not be read. */
const most = 24

const confusionTable = ({ classes, confusion, scores }: Evaluation): string => {
  const { counts } = confusion
  const stride = confusion.classes + 1
  const ids = scores.classes
    .filter(({ predicted, truth }) => predicted > 0 || truth > 0)
    .toSorted((a, b) => b.truth + b.predicted - a.truth - a.predicted)
    .slice(0, most)
    .map(({ id }) => id)
    .toSorted((a, b) => a - b)
  if (ids.length < 2) return ""
  const name = (id: number) => escape(ClassTable.nameOf(classes, id))
  const rows = ids.map((row) => {
    const total = scores.classes[row]!.truth
    const cells = ids.map((column) => {
      const share = total === 0 ? 0 : counts[row * stride + column]! / total
      const text = total === 0 ? "–" : share >= 0.0005 ? `${(share * 100).toFixed(1)}` : "·"
      return `<td style="--share:${(Math.sqrt(share) * 60).toFixed(0)}%"${row === column ? ' class="right"' : ""}>${text}</td>`
    })
    return `<tr><th scope="row">${name(row)}</th>${cells.join("")}</tr>`
  })
  return (
    "<h2>What is taken for what</h2>" +
    `<p class="note">Each row is a class of the truth, each column what was predicted, in % of the row.</p>` +
    `<div class="wide"><table class="confusion"><tr><th></th>${ids.map((id) => `<th>${name(id)}</th>`).join("")}</tr>` +
    `${rows.join("")}</table></div>`
  )
}

/** Rows of the ranking that a reader will look at. */
const mostRanked = 100

/** The columns of a ranking of which anything is known. @internal */
export const rankingColumns = (rows: ReadonlyArray<Ranking.Row>): ReadonlyArray<Ranking.By> =>
  Ranking.BY.filter((column) => rows.some((row) => row[column] !== undefined))

const rankingTable = ({ ranking }: Evaluation): string => {
  if (ranking.length === 0) return ""
  const columns = rankingColumns(ranking)
  const head = columns.map((column) => `<th>${column}</th>`).join("")
  const rows = ranking
    .slice(0, mostRanked)
    .map(
      (row) =>
        `<tr><th scope="row">${escape(row.image)}</th>` +
        `${columns.map((column) => `<td>${row[column]?.toFixed(3) ?? "–"}</td>`).join("")}</tr>`
    )
  const more = ranking.length - mostRanked
  return (
    `<h2>Which images next</h2><div class="wide"><table><tr><th>image</th>${head}</tr>${rows.join("")}</table></div>` +
    (more > 0 ? `<p class="note">${number.format(more)} more.</p>` : "")
  )
}

const worst = ({ pictures }: ReportOptions): string => {
  if (pictures.length === 0) return ""
  const legend = Difference.palette
    .filter(({ id }) => id !== Difference.NEITHER && id !== Difference.IGNORED)
    .map(({ color, id, name }) => {
      const label =
        id === Difference.FIRST ? "only the prediction" : id === Difference.SECOND ? "only the truth" : name
      return `<span><i style="background:${color === undefined ? "#000" : Palette.toHex(color)}"></i>${label}</span>`
    })
  const figures = pictures.map(
    (image) =>
      `<section><h3>${escape(image.name)}</h3><p class="note">mean IoU ${percent(image.meanIou)}, ` +
      `${percent(image.overallAccuracy)} of its pixels right</p><div class="pictures">` +
      image.pictures
        .map(
          ({ height, title, url, width }) =>
            `<figure><img src="${escape(url)}" width="${width}" height="${height}" ` +
            `alt="${escape(`${title} of ${image.name}`)}" loading="lazy"><figcaption>${escape(title)}</figcaption></figure>`
        )
        .join("") +
      "</div></section>"
  )
  return `<h2>The worst images</h2><p class="legend">In differences: ${legend.join("")}</p>${figures.join("\n")}`
}

/** The look of this page, and of those that should look the same. @internal */
export const style = `
:root { color-scheme: light dark; --ink: #1b1d21; --faint: #676c75; --paper: #fff; --line: #dfe2e7; --tint: #0072b2; --tile: #f4f5f7 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --faint: #9aa0aa; --paper: #16181c; --line: #33373e; --tint: #56b4e9; --tile: #1f2227 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1200px; margin: 0 auto; padding: 2rem 1.25rem 4rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.5rem 0 .6rem } h3 { font-size: 1rem; margin: 1.6rem 0 0; overflow-wrap: anywhere }
p { margin: .4rem 0 1rem } .note { color: var(--faint); margin: .2rem 0 .6rem }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin: 1.2rem 0 0 }
.tiles div { background: var(--tile); border-radius: .6rem; padding: .75rem 1rem } dt { color: var(--faint); font-size: .85rem } dd { margin: 0; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { text-align: right; padding: .38rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap } th { font-weight: 500; color: var(--faint) }
th:first-child { text-align: left } th[scope=row] { color: var(--ink) }
i { display: inline-block; width: .85em; height: .85em; border-radius: .25em; margin-right: .5em; vertical-align: -.06em; outline: 1px solid var(--line) }
.bar { background: linear-gradient(90deg, color-mix(in srgb, var(--tint) 28%, transparent) var(--share), transparent 0) no-repeat left / calc(100% - 1rem) 68%; background-position: .5rem 50% }
.confusion { width: auto } .confusion tr:first-child th { text-align: center } .confusion td { background: color-mix(in srgb, #d55e00 var(--share), transparent); text-align: center; min-width: 4.2rem } .confusion td.right { background: color-mix(in srgb, var(--tint) var(--share), transparent) }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: .75rem }
figure { margin: 0 } img { width: 100%; height: auto; display: block; border-radius: .4rem; border: 1px solid var(--line) } figcaption { color: var(--faint); font-size: .85rem; padding-top: .2rem }
.legend span { margin-left: 1rem; white-space: nowrap }
li { overflow-wrap: anywhere }
`
