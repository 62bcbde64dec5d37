/** What is true of an image for `segformer eval`: a label map of its own, or what people drew in an annotation tool. */
import { Effect, type FileSystem, Result } from "effect"
import * as Annotated from "../mask/Annotated.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Background from "../render/Background.ts"
import * as Annotations from "./Annotations.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"

interface Options {
  readonly truth: string
  readonly annotations: "newest" | "oldest" | undefined
  readonly outside: string | undefined
  readonly binary: boolean
  readonly reduceLabels: boolean
  readonly truthNames: string | undefined
}

/** The annotations of a file; nothing where the truth is a folder of label maps. */
export const read = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Annotations.Annotations | undefined, ExitCode.Ended, FileSystem.FileSystem> {
  const isFile = yield* Annotations.isFile(options.truth)
  const faults = isFile
    ? [
        ...Flags.ignored(
          options,
          ["reduceLabels"],
          "is for label maps, and annotations have names: leave it out"
        ),
        ...Flags.ignored(options, ["truthNames"], "is for a folder, and this truth is a file: leave it out"),
        ...(options.binary
          ? Flags.ignored(
              options,
              ["outside"],
              "is of classes, and with --binary all shapes are the object: leave it out"
            )
          : [])
      ]
    : Flags.ignored(
        options,
        ["annotations", "outside"],
        "is for a file of annotations, and this truth is none: leave it out"
      )
  yield* Flags.refuse(faults)
  return isFile ? yield* Annotations.read(options.truth, { prefer: options.annotations }) : undefined
})

/** How annotated images become label maps, and what a reader of the scores has to know of that. */
export interface Reading {
  readonly toLabelMap: (
    image: Annotated.AnnotatedImage,
    size: Annotated.Size
  ) => Result.Result<LabelMap, string>
  readonly notes: ReadonlyArray<string>
}

/** By the names of classes: the same, or the same in another case. */
export const reading = Effect.fnUntraced(function* (
  options: Options,
  classes: ClassTable.ClassTable,
  ignored: ReadonlyArray<number>
): Effect.fn.Return<Reading, ExitCode.Ended> {
  if (options.binary) return { toLabelMap: painted(() => 1, 0), notes: [] }
  if (classes.length === 0) {
    return yield* ExitCode.wrong(
      `${options.truth} has names, and no report beside the predictions says which ids they are: give --classes`
    )
  }
  const ids = new Map<string, number>()
  for (const { id, name } of classes)
    if (!ids.has(ClassTable.folded(name))) ids.set(ClassTable.folded(name), id)
  for (const { id, name } of classes) ids.set(name, id)
  const classOf = (label: string) => ids.get(label) ?? ids.get(ClassTable.folded(label))
  const background = [...Background.idsOf(classes)]
  const [given] =
    options.outside === undefined ? background : yield* Flags.classIds("outside", [options.outside], classes)
  if (given !== undefined && (options.outside !== undefined || background.length === 1))
    return { toLabelMap: painted(classOf, given), notes: [] }
  const [gap] = ignored
  if (gap === undefined) {
    return yield* ExitCode.wrong(
      `pixels in no shape of ${options.truth} are of no class, and nothing is ignored: say with --outside what they are`
    )
  }
  return {
    toLabelMap: painted(classOf, gap),
    notes: [
      `pixels in no shape of ${options.truth} are not counted, since ${background.length === 0 ? "no class is" : "several classes are"} ` +
        "called background: --outside CLASS counts them"
    ]
  }
})

const painted =
  (classOf: (label: string) => number | undefined, outside: number): Reading["toLabelMap"] =>
  (image, size) =>
    Result.mapError(Annotated.toLabelMap(image, { classOf, outside, size }), ({ detail }) => detail)
