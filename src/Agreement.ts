/**
 * Several asked and their label maps compared: where they agree, class by class and over all, and what most of them
 * say.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ImageSource, segmentWithAgreement, Transports } from "effect-segformer"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 *
 * const fake = (name: string) => SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction), { name })
 * const program = segmentWithAgreement(ImageSource.bytes(Fixtures.image)).pipe(
 *   Effect.provide(Transports.ensemble([fake("a"), fake("b")]))
 * )
 * const { overall, classes } = await Effect.runPromise(program)
 * overall // => 1
 * classes.map(({ name, iou }) => [name, iou]) // => [["background", 1], ["particle", 1], ["scratch", 1]]
 * ```
 */
import { Context, Effect, Layer, Result } from "effect"
import { type Image, type ImageSource, opened, type Services } from "./image/ImageSource.ts"
import * as Pairs from "./mask/Agreement.ts"
import type { BinaryMask } from "./mask/BinaryMask.ts"
import * as ClassTable from "./mask/ClassTable.ts"
import * as LabelMap from "./mask/LabelMap.ts"
import { MaskNotDecodable } from "./mask/MaskError.ts"
import * as Metrics from "./mask/Metrics.ts"
import * as PixelPairs from "./mask/PixelPairs.ts"
import * as Steps from "./mask/Steps.ts"
import type { Segmentation } from "./Segmentation.ts"
import type { SegmentationError } from "./SegmentationError.ts"
import { segment, type SegmentOptions } from "./Segmenter.ts"
import { Transport } from "./Transport.ts"
import * as Members from "./TransportMembers.ts"
import type { SpanName } from "./TelemetryNames.ts"
import * as ErrorKind from "./ErrorKind.ts"

/** The transports that are asked together. */
export class Ensemble extends Context.Service<Ensemble, Members.Members>()(
  "effect-segformer/Agreement/Ensemble"
) {}

/** An ensemble of the transports of these layers, which live as long as it does. */
export function layer<
  const Layers extends readonly [Members.AnyLayer, Members.AnyLayer, ...ReadonlyArray<Members.AnyLayer>]
>(layers: Layers): Layer.Layer<Ensemble, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>>
export function layer(
  layers: readonly [Members.AnyLayer, ...ReadonlyArray<Members.AnyLayer>]
): Layer.Layer<Ensemble, unknown, unknown> {
  return Layer.effect(Ensemble, Members.build(layers))
}

/** How one of the ensemble did. */
export interface MemberResult {
  readonly name: string
  readonly result: Result.Result<Segmentation, SegmentationError>
}

/** How far two of the ensemble agree. */
export interface PairAgreement {
  readonly a: string
  readonly b: string
  /** The share of pixels on which they say the same, from 0 to 1. */
  readonly overall: number
  /** IoU by class and its mean: the same whichever of the two is taken for the truth. */
  readonly scores: Metrics.Scores
}

/** How far an ensemble agrees on one class. */
export interface ClassAgreement {
  readonly id: number
  readonly name: string
  /** The mean IoU over all pairs of which one at least has the class, from 0 to 1. */
  readonly iou: number
}

export interface Agreement {
  /** In the order of the ensemble, failures included. */
  readonly members: ReadonlyArray<MemberResult>
  /** The share of pixels on which all who answered say the same, from 0 to 1. */
  readonly overall: number
  /** Classes that one of them at least has found, ascending by id. */
  readonly classes: ReadonlyArray<ClassAgreement>
  readonly pairs: ReadonlyArray<PairAgreement>
  /** `[height, width]`: what most of them say; the first of the ensemble where it is a draw. */
  readonly labelMap: LabelMap.LabelMap
  /** `[height, width]`: 1 where they do not all say the same. */
  readonly disputed: BinaryMask
}

export interface AgreementOptions extends SegmentOptions {
  /** Compare classes by their ids, or by their names where services number them differently. `"id"` by default. */
  readonly match?: "id" | "name" | undefined
  /** How many have to answer. 2 by default; with fewer, it fails with the first failure. */
  readonly atLeast?: number | undefined
}

/**
 * Segments one image with all of the ensemble at once, each under its own policy, and compares what they say. One without
 * a label map counts as one that did not answer.
 */
export const segmentWithAgreement = Effect.fn("Segmenter.segmentWithAgreement" satisfies SpanName)(function* <
  S extends ImageSource<unknown> | Image
>(
  source: S,
  options: AgreementOptions = {}
): Effect.fn.Return<Agreement, SegmentationError, Ensemble | Services<S>> {
  ErrorKind.oneOf("segmentWithAgreement", "match", options.match, ["id", "name"])
  const ensemble = yield* Ensemble
  // Read once, however many are asked.
  const image = yield* opened(source, options.limits)
  const asked = yield* Effect.forEach(
    ensemble,
    (member) =>
      Effect.result(
        Effect.gen(function* () {
          const segmentation = yield* Effect.provideService(segment(image, options), Transport, member)
          return { name: member.name, segmentation, labelMap: yield* segmentation.labelMap }
        })
      ),
    { concurrency: "unbounded" }
  )
  const members = asked.map((result, index) => ({
    name: ensemble[index]!.name,
    result: Result.map(result, ({ segmentation }) => segmentation)
  }))
  const answered = asked.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
  const failure = asked.find(Result.isFailure)
  if (failure !== undefined && answered.length < Math.max(1, options.atLeast ?? 2))
    return yield* failure.failure
  const tables = answered.map(({ segmentation }) => segmentation.classes)
  const classes = options.match === "name" ? ClassTable.joined(tables) : ClassTable.make(tables.flat())
  const maps = answered.map(({ labelMap }, index) =>
    options.match === "name" ? renumber(labelMap, tables[index]!, classes) : labelMap
  )
  return {
    members,
    ...(yield* compare(
      maps,
      answered.map(({ name }) => name),
      classes
    ))
  }
})

/** A map with the ids that its classes have in another table. */
const renumber = (
  map: LabelMap.LabelMap,
  from: ClassTable.ClassTable,
  to: ClassTable.ClassTable
): LabelMap.LabelMap => LabelMap.remap(map, ClassTable.renumbering(LabelMap.histogram(map).keys(), from, to))

/** More distinct ids are instances rather than classes, and would take gigabytes to count by pairs. */
const maxIds = 4096

const compare = Effect.fnUntraced(function* (
  maps: ReadonlyArray<LabelMap.LabelMap>,
  names: ReadonlyArray<string>,
  classes: ClassTable.ClassTable
) {
  // "No class" is an answer like any other: nothing is ignored.
  const plain = maps.map(({ data, height, width }): LabelMap.LabelMap => ({ width, height, data }))
  const counted = yield* Effect.forEach(
    plain.flatMap((second, b) => plain.slice(0, b).map((first, a) => ({ a, b, first, second }))),
    (pair) =>
      Effect.map(
        Effect.flatMap(
          Steps.run(() => Pairs.steps(Pairs.make(), pair)),
          Effect.fromResult
        ),
        ({ pairs }) => ({ ...pair, pairs: [...PixelPairs.entries(pairs)] })
      )
  )
  const alone = counted.length === 0 ? LabelMap.histogram(plain[0]!).keys() : []
  const ids = new Set([...alone, ...counted.flatMap(({ pairs }) => pairs.flatMap(([a, b]) => [a, b]))])
  const found = [...ids].sort((a, b) => a - b)
  if (found.length > maxIds) {
    const detail = `they hold ${found.length} ids, and no more than ${maxIds} can be compared`
    return yield* new MaskNotDecodable({ mask: "label maps", detail })
  }
  const places = new Map(found.map((id, place) => [id, place]))
  const compared = counted.map(({ a, b, pairs }): PairAgreement => {
    const confusion = Metrics.make(found.length)
    for (const [first, second, pixels] of pairs) {
      confusion.counts[places.get(first)! * (found.length + 1) + places.get(second)!] = pixels
    }
    const scores = Metrics.scores(confusion)
    return {
      a: names[a]!,
      b: names[b]!,
      overall: scores.overallAccuracy ?? 1,
      scores: { ...scores, classes: scores.classes.map((each) => ({ ...each, id: found[each.id]! })) }
    }
  })
  const { differing, disputed, labelMap } = yield* Steps.run(() => vote(plain, found.at(-1) ?? 0))
  const ignored = new Set(maps.map(({ ignoreIndex }) => ignoreIndex))
  return {
    overall: 1 - differing / labelMap.data.length,
    classes: found.flatMap((id, place): ReadonlyArray<ClassAgreement> =>
      ignored.has(id)
        ? []
        : [
            {
              id,
              name: ClassTable.nameOf(classes, id),
              iou: Metrics.mean(compared.map(({ scores }) => scores.classes[place]?.iou)) ?? 1
            }
          ]
    ),
    pairs: compared,
    labelMap,
    disputed
  }
})

/** The id that most say, pixel by pixel, the first of a draw; and how many pixels are disputed. */
function* vote(maps: ReadonlyArray<LabelMap.LabelMap>, maxId: number) {
  const { height, width } = maps[0]!
  const winner = LabelMap.allocate(maxId, width * height)
  const disputed = new Uint8Array(width * height)
  const data = maps.map(({ data }) => data)
  const count = data.length
  let differing = 0
  for (let from = 0; from < winner.length; from += Steps.pixelsPerStep) {
    const end = Math.min(winner.length, from + Steps.pixelsPerStep)
    for (let i = from; i < end; i++) {
      let id = data[0]![i]!
      let same = 1
      while (same < count && data[same]![i] === id) same++
      if (same < count) {
        differing++
        disputed[i] = 1
        let most = 0
        for (let a = 0; a < count && most <= count - a; a++) {
          const said = data[a]![i]!
          let votes = 0
          for (let b = a; b < count; b++) if (data[b]![i] === said) votes++
          if (votes > most) {
            most = votes
            id = said
          }
        }
      }
      winner[i] = id
    }
    yield
  }
  return { differing, labelMap: { width, height, data: winner }, disputed: { width, height, data: disputed } }
}
