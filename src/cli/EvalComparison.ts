/** One segmenter beside another: what was counted over the images so far, and pictures of what differs. */
import { dirname, join } from "node:path"
import { Effect, FileSystem, Schema, Stream } from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import * as LabelPngWriter from "../files/LabelPngWriter.ts"
import { type NotWritten, notWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import * as Folder from "../image/Folder.ts"
import { type CodecError, ImageCodec, type Raster } from "../image/ImageCodec.ts"
import * as Agreement from "../mask/Agreement.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import type { MaskNotDecodable } from "../mask/MaskError.ts"
import * as Steps from "../mask/Steps.ts"
import * as Colors from "../render/Colors.ts"
import * as Difference from "../render/Difference.ts"
import * as EvalOthers from "./EvalOthers.ts"
import * as Inputs from "./Inputs.ts"
import * as Screen from "./Screen.ts"

/** Two answers to one image cannot be compared. */
export class NotComparable extends ErrorKind.ofImage<NotComparable>()("NotComparable", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** How far the two agree on one image. */
export interface ImageAgreement {
  readonly name: string
  /** The share of pixels for which they say the same; `undefined` where none was counted. */
  readonly overall: number | undefined
  readonly differing: number
}

interface Rules {
  /** Ids of the first that are not counted. */
  readonly ignore: ReadonlyArray<number>
  /** A folder for pictures of what differs. */
  readonly out: string | undefined
  /** Who the two are. */
  readonly names: readonly [first: string, second: string]
  /** How many images are kept that they agree least on. */
  readonly worst: number | undefined
}

/** 1 where they differ, for eyes as well. */
const maskPalette: ClassTable.ClassTable = [
  { id: 0, name: "same", color: [0, 0, 0] },
  { id: 1, name: "differs", color: [255, 255, 255] }
]

export class Comparison {
  readonly name: string
  readonly agreement = Agreement.make()
  readonly notes: ReadonlyArray<string>
  /** Images counted. */
  images = 0
  /** Of both, as far as they are known. */
  classes: ClassTable.ClassTable
  /** The pictures that were written. */
  readonly drawn = new Set<string>()
  /** Images that they agree least on, the least first. */
  least: ReadonlyArray<ImageAgreement> = []
  readonly #second: ClassTable.ClassTable
  readonly #byName: boolean
  readonly #rules: Rules

  constructor(name: string, second: ClassTable.ClassTable, alignment: EvalOthers.Alignment, rules: Rules) {
    this.name = name
    this.classes = alignment.classes
    this.notes = alignment.note === undefined ? [] : [alignment.note]
    this.#second = second
    this.#byName = alignment.byName
    this.#rules = rules
  }

  /** Takes the classes that come with answers: those of a service are known no sooner. */
  meet(first: ClassTable.ClassTable, second: ClassTable.ClassTable): Effect.Effect<void, NotComparable> {
    return Effect.suspend(() => {
      if (this.#byName) return Effect.void
      const differ = EvalOthers.conflict(first, second)
      if (differ !== undefined) {
        return Effect.fail(new NotComparable({ detail: `${differ}. --match id compares what has one id` }))
      }
      const isNew = [...first, ...second].some(({ id }) => ClassTable.get(this.classes, id) === undefined)
      if (isNew) this.classes = ClassTable.make([...this.classes, ...first, ...second])
      return Effect.void
    })
  }

  /** Counts one image and draws it. What cannot be drawn is in no count either. */
  add<E, R>(
    name: string,
    given: Agreement.Pair,
    photo: Effect.Effect<Raster | undefined, E, R>
  ): Effect.Effect<
    void,
    E | MaskNotDecodable | CodecError | NotWritten,
    R | ImageCodec | FileSystem.FileSystem
  > {
    return Effect.gen({ self: this }, function* () {
      const { ignore, out, worst = 6 } = this.#rules
      const pair = this.#byName ? { ...given, second: this.#renumbered(given.second) } : given
      const own = Agreement.make()
      yield* Effect.flatMap(
        Steps.run(() => Agreement.steps(own, pair, { ignore })),
        Effect.fromResult
      )
      const { differing, overall } = Agreement.scores(own)
      if (out !== undefined) {
        const path = join(out, name)
        if (differing > 0) yield* this.#draw(path, pair, yield* photo)
        // Of an earlier comparison, which is not what this one found.
        else yield* removed(picturesOf(path))
      }
      yield* Effect.fromResult(Agreement.absorb(this.agreement, own))
      this.images++
      if (differing === 0) return
      this.least = [...this.least, { name, overall, differing }]
        .sort((a, b) => (a.overall ?? 1) - (b.overall ?? 1) || (a.name < b.name ? -1 : 1))
        .slice(0, worst)
    })
  }

  #renumbered(map: LabelMap.LabelMap): LabelMap.LabelMap {
    const ids = ClassTable.renumbering(LabelMap.histogram(map).keys(), this.#second, this.classes)
    return LabelMap.remap(map, ids)
  }

  #draw = Effect.fnUntraced(function* (
    this: Comparison,
    path: string,
    pair: Agreement.Pair,
    photo: Raster | undefined
  ) {
    const { ignore, names } = this.#rules
    const mask = yield* Effect.fromResult(Agreement.differing(pair, { ignore }))
    const palette = Colors.paletteOf(this.classes)
    // No class is an answer like any other, and what is not counted is not shown.
    const { ignoreIndex: _, ...second } = pair.second
    const first = shown(pair.first, ignore)
    const picture =
      photo === undefined
        ? yield* Colors.draw(Difference.compare(first, second, { palette }).kinds, Difference.palette)
        : yield* Difference.draw(photo, first, second, { palette, names, legend: true })
    const codec = yield* ImageCodec
    yield* WholeFile.makeFolder(dirname(path))
    const [differs, difference] = picturesOf(path)
    yield* WholeFile.writeAll([
      { path: differs, bytes: yield* LabelPngWriter.encode(mask, { palette: maskPalette }) },
      { path: difference, bytes: yield* codec.encode(picture, "png") }
    ])
    this.drawn.add(differs).add(difference)
  })
}

/** The pictures of an image, by the beginning of their paths. */
const picturesOf = (path: string): readonly [differs: string, difference: string] => [
  path + Inputs.differsEnding,
  path + Inputs.differenceEnding
]

const removed = (paths: ReadonlyArray<string>): Effect.Effect<void, NotWritten, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.forEach(paths, (path) => Effect.mapError(fs.remove(path, { force: true }), notWritten(path)), {
      discard: true
    })
  )

/** Says that pictures of an earlier comparison lie in the folder of this one's. */
export const tellLeft = Effect.fnUntraced(function* (
  folder: string,
  comparisons: ReadonlyArray<Comparison>
): Effect.fn.Return<void, never, FileSystem.FileSystem> {
  const isPicture = (name: string) =>
    name.endsWith(Inputs.differsEnding) || name.endsWith(Inputs.differenceEnding)
  const left = yield* Folder.files(folder, isPicture).pipe(
    Stream.map(({ name }) => join(folder, name)),
    Stream.filter((path) => comparisons.every(({ drawn }) => !drawn.has(path))),
    Stream.runCollect,
    Effect.orElseSucceed((): ReadonlyArray<string> => [])
  )
  const [first] = left
  if (first !== undefined)
    yield* Screen.complain(
      `${first}${left.length === 1 ? " is" : ` and ${left.length - 1} more are`} of an earlier comparison: this one says nothing of ${left.length === 1 ? "it" : "them"}`
    )
})

/** A map with one id for all that is not counted. */
const shown = (map: LabelMap.LabelMap, ignore: ReadonlyArray<number>): LabelMap.LabelMap => {
  const { ignoreIndex: _, ...own } = map
  const [id] = ignore
  if (id === undefined) return own
  return { ...LabelMap.remap(own, new Map(ignore.map((one) => [one, id]))), ignoreIndex: id }
}
