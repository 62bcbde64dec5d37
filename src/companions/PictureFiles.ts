/**
 * Where image processing reads pictures and leaves results: the files below one folder, or data URLs. A path of a
 * request reaches no other file: whatever leads out of the folder (`..`, a link, another root) is `Forbidden`.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { PictureFiles } from "effect-segformer/companions"
 *
 * const path = Effect.flatMap(PictureFiles, (files) =>
 *   files.write({ name: "panel", extension: "png", mediaType: "image/png" }, Uint8Array.of(1, 2, 3))
 * )
 * await Effect.runPromise(Effect.provide(path, PictureFiles.layerInline)) // => "data:image/png;base64,AQID"
 * ```
 */
import { Context, Effect, FileSystem, Layer, Option, Path, Schema } from "effect"
import type { NotWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import { ImageNotFound, ImageTooLarge, NotAnImage } from "../image/ImageError.ts"
import * as ImageSource from "../image/ImageSource.ts"
import * as ErrorKind from "../ErrorKind.ts"
import * as Base64 from "../service/Base64.ts"
import { Forbidden, InputInvalid } from "./CompanionError.ts"
import * as Hashing from "../jobs/Hashing.ts"
import { ascii } from "../jobs/FileName.ts"

/** A result could not be written: a full disk, a folder that this user may not write to. */
export class PictureNotWritten extends ErrorKind.ofCaller<PictureNotWritten>()("PictureNotWritten", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `Cannot write ${this.path}: ${this.detail}`
  }
}

/** What a result is called. */
export interface ResultName {
  /** Without folders and ending. What no file name should hold is replaced. */
  readonly name: string
  /** Such as `png`. */
  readonly extension: string
  /** Such as `image/png`. */
  readonly mediaType: string
}

const service = "imageProcessing"

const invalid = (detail: string) => Effect.fail(new InputInvalid({ service, detail }))

const isDataUrl = (path: string): boolean => /^data:/i.test(path)

/** A path as answers and errors quote it: a data URL without its data. */
export const quote = (path: string): string =>
  isDataUrl(path) ? `${path.slice(0, 60).split(",", 1)[0]!},…` : path.slice(0, 300)

const openDataUrl = (
  url: string,
  limits: Partial<ImageSource.ImageLimits> | undefined
): Effect.Effect<ImageSource.Image, ImageSource.SourceError | InputInvalid> =>
  Effect.suspend((): Effect.Effect<ImageSource.Image, ImageSource.SourceError | InputInvalid> => {
    const comma = url.indexOf(",")
    const source = quote(url)
    if (comma < 0 || comma > 200 || !/;base64$/i.test(url.slice(0, comma))) {
      return invalid(`${source} must be a data URL in base64: data:image/png;base64,…`)
    }
    const { maxBytes } = ImageSource.limitsOf(limits)
    const size = Math.floor(((url.length - comma - 1) * 3) / 4)
    // Two bytes may be padding.
    if (size - 2 > maxBytes) {
      return Effect.fail(new ImageTooLarge({ source, measure: "bytes", actual: size, limit: maxBytes }))
    }
    const bytes = Base64.decode(url.slice(comma + 1))
    return bytes === undefined
      ? Effect.fail(new NotAnImage({ source, detail: "its data are no base64" }))
      : ImageSource.bytes(bytes, { name: source }).open(limits)
  })

export interface FolderOptions {
  /** Where results go, below the folder. `processed` by default. It is made where it is not there. */
  readonly results?: string | undefined
}

const makeFolder = Effect.fnUntraced(function* (
  folder: string,
  options: FolderOptions
): Effect.fn.Return<PictureFiles["Service"], never, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const root = paths.resolve(folder)
  const results = paths.join(root, options.results ?? "processed")

  /** The file itself, links followed, if it is below the folder. */
  const find = Effect.fnUntraced(function* (path: string) {
    const outside = new Forbidden({
      service,
      detail: `${quote(path)} is not below the folder of pictures`
    })
    const relative = paths.isAbsolute(path) ? paths.relative(root, path) : path
    const lexical = paths.resolveWithin(root, relative)
    if (path.includes("\0") || Option.isNone(lexical)) return yield* outside
    const missing = () => new ImageNotFound({ source: quote(path) })
    const file = yield* Effect.mapError(fs.realPath(lexical.value), missing)
    const real = yield* Effect.mapError(fs.realPath(root), missing)
    if (Option.isNone(paths.resolveWithin(real, paths.relative(real, file)))) return yield* outside
    return file
  })

  const write = Effect.fnUntraced(function* (
    { extension, name }: ResultName,
    bytes: Uint8Array
  ): Effect.fn.Return<string, NotWritten, FileSystem.FileSystem> {
    // Of the same bytes the same: a request that is repeated leaves one result.
    const digest = (yield* Hashing.sha256(bytes)).slice(0, 16)
    const file = `${ascii(name, "picture")}-${digest}.${extension}`
    const path = paths.join(results, file)
    yield* WholeFile.makeFolder(results)
    yield* WholeFile.write(path, bytes)
    return paths.relative(root, path)
  })

  return PictureFiles.of({
    open: (path, limits) =>
      isDataUrl(path)
        ? openDataUrl(path, limits)
        : Effect.flatMap(find(path), (file) =>
            Effect.provideService(ImageSource.file(path).open(limits), FileSystem.FileSystem, {
              ...fs,
              // Errors name the path that was asked for: where the folder lies is nobody's business.
              stat: () => fs.stat(file),
              stream: (_, options) => fs.stream(file, options),
              readFile: () => fs.readFile(file)
            })
          ),
    write: (name, bytes) =>
      write(name, bytes).pipe(
        Effect.mapError(({ reason }) => new PictureNotWritten({ path: results, detail: reason })),
        Effect.provideService(FileSystem.FileSystem, fs)
      )
  })
})

/** Where pictures are, and where results go. */
export class PictureFiles extends Context.Service<
  PictureFiles,
  {
    readonly open: (
      path: string,
      limits?: Partial<ImageSource.ImageLimits>
    ) => Effect.Effect<ImageSource.Image, ImageSource.SourceError | Forbidden | InputInvalid>
    /** Writes a result, whole or not at all, and gives its path, which `open` takes. */
    readonly write: (name: ResultName, bytes: Uint8Array) => Effect.Effect<string, PictureNotWritten>
  }
>()("effect-segformer/companions/PictureFiles") {
  /** Data URLs in, data URLs out: no file is read or written. */
  static readonly layerInline: Layer.Layer<PictureFiles> = Layer.succeed(PictureFiles, {
    open: (path, limits) =>
      isDataUrl(path)
        ? openDataUrl(path, limits)
        : invalid(`${quote(path)} must be a data URL: no folder of pictures is configured here`),
    write: ({ mediaType }, bytes) => Effect.sync(() => `data:${mediaType};base64,${Base64.encode(bytes)}`)
  })

  /** The pictures below a folder, as paths from there; data URLs are taken as well. */
  static readonly layerFolder = (
    folder: string,
    options: FolderOptions = {}
  ): Layer.Layer<PictureFiles, never, FileSystem.FileSystem | Path.Path> =>
    Layer.effect(PictureFiles, makeFolder(folder, options))
}
