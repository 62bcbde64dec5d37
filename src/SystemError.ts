/** What went wrong beneath this library, in words: of the codes of systems too, where `effect` has no word of its own for them. */
import type { PlatformError } from "effect"

const words: ReadonlyMap<unknown, string> = new Map([
  ["ENOSPC", "no space left on the disk"],
  ["EDQUOT", "no space left for this user"],
  ["EFBIG", "the file would be larger than it may be there"],
  ["EROFS", "it can only be read there"],
  ["EISDIR", "a folder stands in its place"],
  ["ENOTEMPTY", "a folder stands in its place"],
  ["ENOTDIR", "a file stands where a folder should be"],
  ["ENAMETOOLONG", "its name is too long"],
  ["ELOOP", "its links lead in a circle"],
  ["EMFILE", "too many files are open"],
  ["ENFILE", "too many files are open on this machine"],
  ["ESTALE", "its disk is gone"],
  ["ENOMEM", "there is no memory left"],
  ["EAGAIN", "this user may start no more processes now"]
])

/** What was thrown, in words. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown)

/** The same in one line of so many characters at most. */
export const lineOf = (thrown: unknown, longest = 400): string =>
  messageOf(thrown).replaceAll(/\s+/g, " ").trim().slice(0, longest)

/** Its first line, where what follows is advice of another's. */
export const firstLineOf = (thrown: unknown): string => lineOf(messageOf(thrown).split("\n", 1)[0], 300)

/** The words for an error of the system, or for one that has it as its cause; `undefined` where there are none here. */
export const wordsOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? words.get(error.code) : undefined

const ofDisk: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE"])

/** Whether it is the disk that refuses, whatever the file. */
export const isOfDisk = ({ reason }: PlatformError.PlatformError): boolean =>
  reason.cause instanceof Error && "code" in reason.cause && ofDisk.has(reason.cause.code)

/** Whether a file was to be moved to another disk, which takes a copy. */
export const isOtherDisk = ({ reason }: PlatformError.PlatformError): boolean =>
  reason.cause instanceof Error && "code" in reason.cause && reason.cause.code === "EXDEV"

/** The same of what `effect` makes of it. */
export const reasonOf = ({ reason }: PlatformError.PlatformError): string | undefined => wordsOf(reason.cause)

/** Why something cannot be read, in words. */
export const unreadable = (error: PlatformError.PlatformError): string => {
  const { reason } = error
  return reason._tag === "NotFound"
    ? "there is no such file or folder"
    : reason._tag === "PermissionDenied"
      ? "this user may not read it"
      : (reasonOf(error) ?? reason.message)
}
