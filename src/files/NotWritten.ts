/** What keeps a file or a folder from being written, in words. */
import { type PlatformError, Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import * as SystemError from "../SystemError.ts"

/** A file could not be written: no room, no right to, or its folder is gone. Nothing of it was left behind. */
export class NotWritten extends ErrorKind.ofCaller<NotWritten>()("NotWritten", {
  path: Schema.String,
  /** Such as "this user may not". */
  reason: Schema.String,
  /** Whether nothing else can be written there either: the disk is full, broken, or can only be read. */
  ofDisk: Schema.optionalKey(Schema.Boolean)
}) {
  override get message(): string {
    return `Cannot write ${this.path}: ${this.reason}`
  }
}

/** Why, in words; the system's own where there are none here. */
export const reasonOf = (error: PlatformError.PlatformError): string => {
  const { message, reason } = error
  const { cause } = reason
  const known = SystemError.reasonOf(error)
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
    new NotWritten({
      path,
      reason: reasonOf(error),
      ...(SystemError.isOfDisk(error) ? { ofDisk: true } : {})
    })
