/** How a download ends other than well, besides what ends every call to a service. */
import { Schema } from "effect"
import { NotWritten } from "../files/NotWritten.ts"
import * as ErrorKind from "../ErrorKind.ts"

/** Origin and path, without query. */
const from = { url: Schema.String }

/** The file is larger than the limit: by what its service says of it, or by what came. The rest was not read. */
export class FileTooLarge extends ErrorKind.ofService<FileTooLarge>()("FileTooLarge", {
  ...from,
  /** In bytes. */
  limit: Schema.Number,
  /** In bytes, where the service said so. */
  length: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    const length = this.length === undefined ? "" : ` It has ${this.length}.`
    return `The file at ${this.url} is larger than ${this.limit} bytes.${length} Raise \`maxBytes\` if that is to be expected`
  }
}

/** The file has another length than was expected of it. */
export class WrongLength extends ErrorKind.ofService<WrongLength>()("WrongLength", {
  ...from,
  /** In bytes. */
  expected: Schema.Number,
  actual: Schema.Number
}) {
  override get message(): string {
    return `The file at ${this.url} has ${this.actual} bytes, but ${this.expected} were expected. It is another file, or an older or newer one`
  }
}

/** What came is not what its digest says it is; none of it was kept. */
export class WrongDigest extends ErrorKind.ofService<WrongDigest>()("WrongDigest", {
  ...from,
  algorithm: Schema.Literals(["sha-256", "md5"]),
  /** In hexadecimal, like `actual`. */
  expected: Schema.String,
  actual: Schema.String,
  /** Who says what it should be. */
  said: Schema.Literals(["caller", "service"])
}) {
  override get message(): string {
    const who = this.said === "caller" ? "expected" : "promised by its service"
    return `The file at ${this.url} has the ${this.algorithm} ${this.actual}, but ${this.expected} was ${who}. It was changed or damaged, and was not kept`
  }
}

export const DownloadError = Schema.Union([FileTooLarge, WrongLength, WrongDigest, NotWritten])
/** Every way in which a download itself fails. */
export type DownloadError = FileTooLarge | WrongLength | WrongDigest | NotWritten
