/** What `segformer eval` found, as lines for people and as JSON for machines. */
import * as ClassTable from "../mask/ClassTable.ts"
import * as EvalReport from "../render/EvalReport.ts"
import * as Screen from "./Screen.ts"

const score = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(4))

/** The lines; `took` in milliseconds. */
export const table = (
  found: EvalReport.Evaluation,
  worst: ReadonlyArray<EvalReport.ImageScores>,
  took: number
): ReadonlyArray<string> => {
  const { boundary, classes, excluded, images, notes, problems, ranking, scores } = found
  const rows = scores.classes
    .filter(({ predicted, truth }) => predicted > 0 || truth > 0)
    .map((own) => ({
      cells: [
        Screen.plain(ClassTable.nameOf(classes, own.id)) + (excluded.has(own.id) ? " (in no mean)" : ""),
        Screen.count(own.truth),
        score(own.iou),
        ...(boundary === undefined ? [] : [score(boundary.classes[own.id])]),
        score(own.dice),
        score(own.precision),
        score(own.recall)
      ]
    }))
  const also = problems.length === 0 ? "" : `, ${problems.length} left out`
  const totals: ReadonlyArray<readonly [string, number | undefined]> = [
    ["mean IoU", scores.meanIou],
    ...(boundary === undefined ? [] : [["mean boundary IoU", boundary.mean] as const]),
    ["mean Dice", scores.meanDice],
    ["mean precision", scores.meanPrecision],
    ["mean accuracy (recall)", scores.meanAccuracy],
    ["overall accuracy", scores.overallAccuracy],
    ["frequency-weighted IoU", scores.frequencyWeightedIou]
  ]
  const low = worst.slice(0, 3).filter(({ meanIou }) => meanIou !== undefined && meanIou < 1)
  const whole = images.filter(({ pixels }) => pixels === 0).length
  return [
    `${images.length} ${images.length === 1 ? "image" : "images"}${also}, ${Screen.count(scores.pixels)} pixels, ` +
      `${(took / 1000).toFixed(1)} s`,
    ...(scores.ignored === 0
      ? []
      : [
          `${Screen.count(scores.ignored)} pixels more are ignored: ${EvalReport.share(scores)} of the truth` +
            (whole === 0 ? "" : `, and ${whole} of the images wholly`)
        ]),
    ...notes.map(Screen.plain),
    "",
    ...Screen.table(
      [
        "class",
        "pixels",
        "IoU",
        ...(boundary === undefined ? [] : ["boundary IoU"]),
        "Dice",
        "precision",
        "recall"
      ],
      rows
    ),
    "",
    ...Screen.table(
      ["all classes", ""],
      totals.map(([name, value]) => ({ cells: [name, score(value)] }))
    ),
    ...(low.length === 0
      ? []
      : [
          "",
          ...Screen.table(
            ["worst images", "mean IoU"],
            low.map(({ meanIou, name }) => ({ cells: [Screen.plain(name), score(meanIou)] }))
          )
        ]),
    ...(ranking.length === 0 ? [] : ["", ...rankingTable(ranking)])
  ]
}

const rankingTable = (ranking: EvalReport.Evaluation["ranking"]): ReadonlyArray<string> => {
  const columns = EvalReport.rankingColumns(ranking)
  const rows = ranking
    .slice(0, 10)
    .map((row) => ({ cells: [Screen.plain(row.image), ...columns.map((column) => score(row[column]))] }))
  return Screen.table(["images to look at next", ...columns], rows)
}

/** What has no value is null, so that every key is there. */
export const toJson = (
  { boundary, classes, excluded, images, notes, problems, ranking, scores }: EvalReport.Evaluation,
  worst: ReadonlyArray<EvalReport.ImageScores>
) => ({
  images: images.length,
  pixels: scores.pixels,
  ignoredPixels: scores.ignored,
  ignoredShare: scores.ignored === 0 ? 0 : scores.ignored / (scores.ignored + scores.pixels),
  ignoredImages: images.filter(({ pixels }) => pixels === 0).map(({ name }) => name),
  meanIou: scores.meanIou ?? null,
  meanBoundaryIou: boundary?.mean ?? null,
  meanDice: scores.meanDice ?? null,
  meanPrecision: scores.meanPrecision ?? null,
  meanAccuracy: scores.meanAccuracy ?? null,
  overallAccuracy: scores.overallAccuracy ?? null,
  frequencyWeightedIou: scores.frequencyWeightedIou ?? null,
  classes: scores.classes.map((own) => ({
    id: own.id,
    name: ClassTable.nameOf(classes, own.id),
    truth: own.truth,
    predicted: own.predicted,
    iou: own.iou ?? null,
    boundaryIou: boundary?.classes[own.id] ?? null,
    dice: own.dice ?? null,
    precision: own.precision ?? null,
    recall: own.recall ?? null
  })),
  worst: worst.map(({ meanIou, name, overallAccuracy }) => ({
    name,
    meanIou: meanIou ?? null,
    overallAccuracy: overallAccuracy ?? null
  })),
  ranking,
  excluded: [...excluded],
  notes,
  leftOut: problems
})
