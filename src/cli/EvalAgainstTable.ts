/** How far two segmenters agree, as lines for people and as JSON for machines. */
import * as Agreement from "../mask/Agreement.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Legend from "../render/Legend.ts"
import type { Comparison } from "./EvalComparison.ts"
import type { Problem } from "./LabelFiles.ts"
import * as Screen from "./Screen.ts"

/** What was found. */
export interface Found {
  /** Who is compared with the others. */
  readonly first: string
  readonly comparisons: ReadonlyArray<Comparison>
  readonly problems: ReadonlyArray<Problem>
  /** No image got through, and none is to blame. */
  readonly unavailable: boolean
}

/** Never rounded up: 1 is said where nothing differs. */
const score = (value: number | undefined): string =>
  value === undefined ? "-" : (Math.floor(value * 10_000 + 1e-6) / 10_000).toFixed(4)

const nameOf = ({ classes }: Comparison, id: number | undefined): string =>
  id === undefined ? "no class" : Screen.plain(ClassTable.nameOf(classes, id))

/** Pairs of classes that are listed. */
const listed = 5

/** The lines; `took` in milliseconds. */
export const table = ({ comparisons, first, problems }: Found, took: number): ReadonlyArray<string> => {
  const most = Math.max(...comparisons.map(({ images }) => images))
  const also = problems.length === 0 ? "" : `, ${problems.length} left out`
  const rows = comparisons.map((comparison) => {
    const { classes, differing, meanIou, overall, pixels } = Agreement.scores(comparison.agreement)
    const lowest = classes.toSorted((a, b) => a.iou - b.iou)[0]
    return {
      cells: [
        Screen.plain(comparison.name),
        Screen.count(comparison.images),
        score(overall),
        score(meanIou),
        lowest === undefined ? "-" : `${nameOf(comparison, lowest.id)} ${score(lowest.iou)}`,
        `${Screen.count(differing)} of ${Screen.count(pixels)}`
      ]
    }
  })
  return [
    `${Screen.images(most)}${also}, ${(took / 1000).toFixed(1)} s: ${Screen.plain(first)} against`,
    "",
    ...Screen.table(["", "images", "agreement", "mean IoU", "lowest IoU", "pixels that differ"], rows),
    ...comparisons.flatMap(own)
  ]
}

/** One of them, by class. */
const own = (comparison: Comparison): ReadonlyArray<string> => {
  const { classes, differences, ignored, pixels } = Agreement.scores(comparison.agreement)
  if (pixels === 0) return []
  const { least, name, notes } = comparison
  return [
    "",
    `${Screen.plain(name)}${ignored === 0 ? "" : `, without ${Screen.count(ignored)} pixels that are not counted`}`,
    ...notes.map(Screen.plain),
    ...Screen.table(
      ["class", "pixels", "share", "agreement", "IoU", "only the first", "only the second"],
      classes.map(({ agreement, both, first, id, iou, second }) => ({
        cells: [
          nameOf(comparison, id),
          Screen.count(first),
          Legend.percent(first / pixels),
          score(agreement),
          score(iou),
          Screen.count(first - both),
          Screen.count(second - both)
        ]
      }))
    ),
    ...(differences.length === 0
      ? []
      : [
          "",
          ...Screen.table(
            ["where they differ most", "the second says", "pixels"],
            differences.slice(0, listed).map(({ first, pixels: count, second }) => ({
              cells: [nameOf(comparison, first), nameOf(comparison, second), Screen.count(count)]
            }))
          )
        ]),
    ...(least.length < 2
      ? []
      : [
          "",
          ...Screen.table(
            ["images that they agree least on", "agreement"],
            least
              .slice(0, 3)
              .map(({ name: image, overall }) => ({ cells: [Screen.plain(image), score(overall)] }))
          )
        ])
  ]
}

/** What has no value is null, so that every key is there. */
export const toJson = ({ comparisons, first, problems }: Found) => ({
  first,
  against: comparisons.map((comparison) => {
    const { classes, differences, differing, ignored, meanIou, overall, pixels } = Agreement.scores(
      comparison.agreement
    )
    const named = (id: number | undefined) =>
      id === undefined ? null : { id, name: ClassTable.nameOf(comparison.classes, id) }
    return {
      name: comparison.name,
      images: comparison.images,
      pixels,
      ignoredPixels: ignored,
      differingPixels: differing,
      agreement: overall ?? null,
      meanIou: meanIou ?? null,
      classes: classes.map(({ agreement, both, first: one, id, iou, second }) => ({
        id,
        name: ClassTable.nameOf(comparison.classes, id),
        first: one,
        second,
        both,
        shareFirst: one / pixels,
        shareSecond: second / pixels,
        agreement: agreement ?? null,
        iou
      })),
      differences: differences.map(({ first: one, pixels: count, second }) => ({
        first: named(one),
        second: named(second),
        pixels: count
      })),
      least: comparison.least.map(({ name, overall: same, differing: count }) => ({
        name,
        agreement: same ?? null,
        differingPixels: count
      })),
      notes: comparison.notes
    }
  }),
  leftOut: problems
})
