/** What keeps a file or a folder from being written, in words. */
import { type PlatformError, Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"

/** A file could not be written: no room, no right to, or its folder is gone. Nothing of it was left behind. */
export class NotWritten extends ErrorKind.lasting<NotWritten>()("NotWritten", {
  path: Schema.String,
  /** Such as "this user may not". */
  reason: Schema.String
}) {
  override get message(): string {
    return `Cannot write ${this.path}: ${this.reason}`
  }
}

/** What systems call it, where `effect` has no word of its own for it. */
const codes: ReadonlyMap<unknown, string> = new Map([
  ["ENOSPC", "no space left on the disk"],
  ["EDQUOT", "no space left for this user"],
  ["EROFS", "it can only be read there"],
  ["EISDIR", "a folder stands in its place"],
  ["ENOTEMPTY", "a folder stands in its place"],
  ["ENOTDIR", "a file stands where a folder should be"],
  ["ENAMETOOLONG", "its name is too long"],
  ["EMFILE", "too many files are open"]
])

/** Why, in words; the system's own where there are none here. */
export const reasonOf = ({ message, reason }: PlatformError.PlatformError): string => {
  const { cause } = reason
  const known = cause instanceof Error && "code" in cause ? codes.get(cause.code) : undefined
  if (known !== undefined) return known
  switch (reason._tag) {
    case "NotFound":
      return "there is no such folder"
    case "AlreadyExists":
      return "a file stands where a folder should be"
    case "PermissionDenied":
      return "this user may not"
    default:
      return cause instanceof Error ? cause.message : message
  }
}

/** The failure to write this path. */
export const notWritten =
  (path: string) =>
  (error: PlatformError.PlatformError): NotWritten =>
    new NotWritten({ path, reason: reasonOf(error) })
