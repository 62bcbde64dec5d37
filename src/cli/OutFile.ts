/**
 * A file written piece by piece: under another name beside its place, and moved there when it is whole. What fails or is
 * interrupted leaves nothing behind.
 */
import { dirname, join } from "node:path"
import { Effect, FileSystem, type PlatformError } from "effect"
import * as ExitCode from "./ExitCode.ts"

export type Write = (piece: string | Uint8Array) => Effect.Effect<void, ExitCode.Ended>

/** What keeps a file or a folder from being written or listed, in words. */
export const reasonOf = ({ message, reason }: PlatformError.PlatformError): string => {
  switch (reason._tag) {
    case "NotFound":
      return "there is no such folder"
    case "AlreadyExists":
      return "a file stands where a folder should be"
    case "PermissionDenied":
      return "this user may not"
    default:
      return message
  }
}

let counter = 0

/** Runs `body`, whose pieces become the file where it ends well and says so. */
export const write = <R>(
  path: string,
  body: (write: Write) => Effect.Effect<{ readonly keep: boolean }, ExitCode.Ended, R>
): Effect.Effect<void, ExitCode.Ended, R | FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => {
    const folder = dirname(path)
    const part = join(folder, `.segformer-${process.pid}-out-${counter++}.part`)
    const failed = (error: PlatformError.PlatformError) =>
      new ExitCode.Ended({ code: ExitCode.someFailed, reason: `cannot write ${path}: ${reasonOf(error)}` })
    const encoder = new TextEncoder()
    const filled = Effect.scoped(
      Effect.flatMap(Effect.mapError(fs.open(part, { flag: "wx" }), failed), (file) =>
        body((piece) =>
          piece.length === 0
            ? Effect.void
            : Effect.mapError(
                file.writeAll(typeof piece === "string" ? encoder.encode(piece) : piece),
                failed
              )
        )
      )
    )
    const drop = Effect.ignore(fs.remove(part, { force: true }))
    return Effect.mapError(fs.makeDirectory(folder, { recursive: true }), failed).pipe(
      Effect.andThen(
        Effect.flatMap(filled, ({ keep }) => (keep ? Effect.mapError(fs.rename(part, path), failed) : drop))
      ),
      Effect.onError(() => drop)
    )
  })
