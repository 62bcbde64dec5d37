/**
 * Annotations in one file as truth for `segformer eval`: the JSON of Label Studio, the XML of CVAT, or COCO. They are read one image
 * after the other, and of each no more is held than what was drawn on it.
 */
import { basename } from "node:path"
import { Effect, FileSystem, Result, Stream } from "effect"
import { JsonArray, Xml } from "effect/encoding"
import type { AnnotatedImage, Shape } from "../mask/Annotated.ts"
import * as Coco from "../mask/Coco.ts"
import * as CvatReading from "../mask/CvatReading.ts"
import * as LabelStudioReading from "../mask/LabelStudioReading.ts"
import * as SystemError from "../SystemError.ts"
import * as ExitCode from "./ExitCode.ts"
import { imageEnding, type KeyedFiles, type LabelFile } from "./LabelFolder.ts"

/** What was read of a file. */
export interface Annotations {
  readonly images: ReadonlyArray<AnnotatedImage>
  /** Images whose truth cannot be told. */
  readonly problems: ReadonlyArray<{ readonly name: string; readonly reason: string }>
  /** What else a reader of scores has to know, a line each. */
  readonly notes: ReadonlyArray<string>
}

/** Whether a truth is a file of annotations, and no folder of label maps. */
export const isFile = (path: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.stat(path).pipe(
      Effect.map(({ type }) => type === "File"),
      Effect.orElseSucceed(() => false)
    )
  )

/** The annotated images of a file. */
export const read = (
  path: string,
  options: LabelStudioReading.Options
): Effect.Effect<Annotations, ExitCode.Ended, FileSystem.FileSystem> =>
  /\.xml$/i.test(path) ? cvat(path) : json(path, options)

const unreadable = (path: string) => (error: { readonly message: string }) =>
  ExitCode.wrong(`cannot read ${path}: ${error.message}`)

/** The file's text, piece by piece. */
const text = (path: string) =>
  Stream.unwrap(Effect.map(FileSystem.FileSystem, (fs) => fs.stream(path))).pipe(
    Stream.mapError((error) => new Error(SystemError.unreadable(error))),
    Stream.decodeText()
  )

/** More than an attribute of a mask of any image has. */
const longest = 1 << 28

const cvat = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<Annotations, ExitCode.Ended, FileSystem.FileSystem> {
  const found = new Found("image")
  yield* text(path).pipe(
    Stream.pipeThroughChannel(Xml.decodeString<Error>({ maxTokenSize: longest })),
    Stream.pipeThroughChannel(
      Xml.elements<Error | Xml.XmlError>(["annotations", "*"], { maxElementSize: longest })
    ),
    Stream.mapError(unreadable(path)),
    Stream.runForEach((element) => {
      if (element.name === "track") {
        return Effect.fail(
          ExitCode.wrong(
            `${path} is of a video: export the task as "CVAT for images 1.1", with a shape for each frame`
          )
        )
      }
      if (element.name === "image")
        found.add(element.attributes["name"] ?? "image", CvatReading.image(element))
      return Effect.void
    })
  )
  if (found.count === 0) return yield* ExitCode.wrong(`${path} holds no <image> of "CVAT for images 1.1"`)
  return found.end()
})

const json = Effect.fnUntraced(function* (
  path: string,
  options: LabelStudioReading.Options
): Effect.fn.Return<Annotations, ExitCode.Ended, FileSystem.FileSystem> {
  const first = yield* text(path).pipe(
    Stream.mapError(unreadable(path)),
    Stream.map((piece) => /^[\s\uFEFF]*(\S)/.exec(piece)?.[1]),
    Stream.filter((found) => found !== undefined),
    Stream.runHead
  )
  if (first._tag === "None" || (first.value !== "[" && first.value !== "{")) {
    return yield* ExitCode.wrong(
      `${path} is neither a folder of label maps, nor annotations: JSON of Label Studio, XML of CVAT, or COCO` +
        (/\.zip$/i.test(path) ? ". Unpack it first" : "")
    )
  }
  if (first.value === "{") return yield* coco(path)
  const found = new Found("task")
  const tasks = text(path).pipe(
    Stream.pipeThroughChannel(JsonArray.decodeString<Error>({ maxElementSize: longest })),
    Stream.mapError(unreadable(path))
  )
  const isOther = yield* tasks.pipe(
    Stream.runForEachWhile((given) =>
      Effect.sync(() => {
        // The first says what all are: results of COCO, or tasks.
        if (found.count === 0 && typeof given === "object" && given !== null && "image_id" in given)
          return false
        const id = typeof given === "object" && given !== null && "id" in given ? given.id : found.count + 1
        found.add(
          `task ${String(id)}`,
          LabelStudioReading.task(given, { ...options, preferBy: "--annotations" })
        )
        return true
      })
    ),
    Effect.andThen(Effect.sync(() => found.count === 0))
  )
  return isOther ? yield* coco(path) : found.end()
})

/** The images of a COCO file. Where objects overlap the first one is in front, crowds lie behind all of them. */
const coco = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<Annotations, ExitCode.Ended, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const whole = yield* Effect.mapError(fs.readFileString(path), (error) =>
    ExitCode.wrong(`cannot read ${path}: ${SystemError.unreadable(error)}`)
  )
  const set = yield* Effect.mapError(Effect.fromResult(Coco.parse(whole)), ({ detail }) =>
    ExitCode.wrong(`${path} is no COCO data set: ${detail}`)
  )
  const names = new Map(set.categories.map(({ id, name }) => [id, name]))
  const byImage = new Map<number, Array<Coco.Annotation>>()
  for (const annotation of set.annotations) {
    const own = byImage.get(annotation.image_id)
    if (own === undefined) byImage.set(annotation.image_id, [annotation])
    else own.push(annotation)
  }
  const incomplete = new Set(set.incomplete)
  const problems = set.images.flatMap(({ file_name: name, id }) =>
    incomplete.has(id) ? [{ name, reason: "not all that is drawn on it can be read" }] : []
  )
  const known = set.images.filter(({ id }) => !incomplete.has(id))
  const images = known.map(({ file_name: name, height, id, width }) => ({
    name,
    size: { width, height },
    shapes: (byImage.get(id) ?? [])
      .toReversed()
      .sort((a, b) => b.iscrowd - a.iscrowd)
      .map(({ category_id, segmentation }): Shape => ({
        label: names.get(category_id) ?? String(category_id),
        area: { _tag: "Coco", segmentation }
      }))
  }))
  const notes = (set.leftOut ?? []).map(({ count, reason, what }) => `${count} of ${what}: ${reason}`)
  return { images, problems, notes }
})

/** Annotated images as they come, and what is wrong with others. */
class Found {
  readonly #what: string
  readonly #images: Array<AnnotatedImage> = []
  readonly #problems: Array<{ readonly name: string; readonly reason: string }> = []
  readonly #leftOut = new Map<string, number>()
  #empty = 0
  count = 0

  constructor(what: string) {
    this.#what = what
  }

  add(
    name: string,
    read: Result.Result<
      { readonly image: AnnotatedImage | undefined; readonly leftOut: ReadonlyArray<string> },
      string
    >
  ): void {
    this.count++
    if (Result.isFailure(read)) {
      this.#problems.push({ name, reason: read.failure })
      return
    }
    const { image, leftOut } = read.success
    if (image === undefined) this.#empty++
    else this.#images.push(image)
    for (const reason of leftOut) this.#leftOut.set(reason, (this.#leftOut.get(reason) ?? 0) + 1)
  }

  end(): Annotations {
    const notes = Array.from(this.#leftOut, ([reason, count]) => `${reason}: ${count} left out`)
    const one = this.#empty === 1
    if (this.#empty > 0) {
      const what = one ? `1 ${this.#what} has` : `${this.#empty} ${this.#what}s have`
      notes.push(`${what} no annotation yet, and ${one ? "is" : "are"} left out`)
    }
    return { images: this.#images, problems: this.#problems, notes }
  }
}

/** The place of what no image is, and of what several may be. */
export const none = -1
const several = -2

/** Annotated images as truth, each by a key of its own. */
export class AnnotatedFiles implements KeyedFiles {
  readonly #files: ReadonlyArray<LabelFile>
  readonly #places = new Map<string, number>()
  readonly #byStem = new Map<string, Array<number>>()
  /** What each is called, and may be called. */
  readonly #paths: ReadonlyArray<ReadonlyArray<string>>

  constructor(file: string, images: ReadonlyArray<AnnotatedImage>) {
    this.#paths = images.map(({ alias, name }) => (alias === undefined ? [name] : [name, alias]).map(plain))
    const next = new Map<string, number>()
    this.#files = images.map((annotated, index) => {
      const path = this.#paths[index]![0]!
      const own = path.replace(imageEnding, "")
      let key = own
      // Those before are known to be taken.
      for (let number = next.get(own) ?? 2; this.#places.has(key); number++) {
        key = `${own}-${number}`
        next.set(own, number + 1)
      }
      this.#places.set(key, index)
      return { path: `${file}: ${annotated.name}`, key, image: path, hasReport: false, annotated }
    })
    for (const [index, paths] of this.#paths.entries()) {
      for (const stem of new Set(paths.map(stemOf))) {
        const own = this.#byStem.get(stem)
        if (own === undefined) this.#byStem.set(stem, [index])
        else own.push(index)
      }
    }
  }

  get length(): number {
    return this.#files.length
  }

  at(index: number): LabelFile | undefined {
    return this.#files[index]
  }

  [Symbol.iterator](): Iterator<LabelFile> {
    return this.#files[Symbol.iterator]()
  }

  placeOf(key: string): number {
    return this.#places.get(key) ?? none
  }

  /**
   * The place of the image that a prediction is of, by the path that its report has and by that within the folder of results. Both say
   * where it lies from their end on: `sub/a.jpg` is `photos/sub/a.jpg` and is `a.jpg`, and never `other/a.jpg`.
   */
  find({ image: own, key }: LabelFile, reported: string | undefined): number {
    const ending = reported === undefined ? "" : (imageEnding.exec(reported)?.[0] ?? "")
    const isPath = reported !== undefined && reported !== "-" && !/^https?:/i.test(reported)
    const names = [...(isPath ? [plain(reported)] : []), own ?? key + ending]
    let best = 0
    let found: Array<number> = []
    for (const name of names) {
      for (const index of this.#byStem.get(stemOf(name)) ?? []) {
        const alike = Math.max(...this.#paths[index]!.map((path) => likeness(name, path)))
        if (alike > best) {
          best = alike
          found = [index]
        } else if (alike === best && alike > 0 && !found.includes(index)) found.push(index)
      }
    }
    return found.length > 1 ? several : (found[0] ?? none)
  }
}

const plain = (path: string): string => path.replaceAll("\\", "/").replace(/^(?:\.{0,2}\/)+/, "")

/** Names are the same in either of the two ways to write ü, one letter or two. */
const stemOf = (path: string): string => basename(path).replace(imageEnding, "").normalize()

/** How many parts of two paths are the same, all of the shorter one; more where their endings are. 0 where they say different things. */
const likeness = (a: string, b: string): number => {
  const [own, other] = [a.split("/").toReversed(), b.split("/").toReversed()]
  const length = Math.min(own.length, other.length)
  for (let i = 1; i < length; i++) if (own[i]!.normalize() !== other[i]!.normalize()) return 0
  return length * 2 + (own[0] === other[0] ? 1 : 0)
}
