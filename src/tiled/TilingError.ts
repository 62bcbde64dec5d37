/** What goes wrong with a picture in windows, besides what goes wrong with each of them. */
import { Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"

/** A window's answer is not of the same kind or shape as the first one's: they cannot be put together. */
export class WindowsDisagree extends ErrorKind.ofService<WindowsDisagree>()("WindowsDisagree", {
  source: Schema.String,
  /** Left edge of the window, in pixels. */
  x: Schema.Int,
  /** Upper edge. */
  y: Schema.Int,
  first: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `The windows of ${this.source} were answered with ${this.first} at first, but that at ${this.x}, ${this.y} with ${this.found}. All windows must go to the same model`
  }
}

/** The logits that neighbouring rows of windows share would take more memory than allowed. */
export class OverlapTooLarge extends ErrorKind.ofCaller<OverlapTooLarge>()("OverlapTooLarge", {
  source: Schema.String,
  /** What they would take. */
  bytes: Schema.Number,
  limit: Schema.Number,
  classes: Schema.Int
}) {
  override get message(): string {
    const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`
    return `Between two rows of windows of ${this.source}, ${mebibytes(this.bytes)} of logits (${this.classes} classes) must be kept, and the limit is ${mebibytes(this.limit)}. Choose a larger \`stride\`, or raise \`maxOverlapBytes\``
  }
}

/** Labels that cannot be written: the file system refuses, an id does not fit, or bands are missing. */
export class LabelsNotWritten extends ErrorKind.ofCaller<LabelsNotWritten>()("LabelsNotWritten", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `Cannot write labels to ${this.path}: ${this.detail}`
  }
}

/** Why windows cannot be put together. */
export type TilingError = WindowsDisagree | OverlapTooLarge
