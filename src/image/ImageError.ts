/**
 * Every way a source turns out not to be an image that can be segmented. `source` is its name: a path, a URL
 * without query, or the name it was given.
 */
import { Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"

const source = { source: Schema.String }

/** There is nothing at this path or URL. */
export class ImageNotFound extends ErrorKind.ofImage<ImageNotFound>()("ImageNotFound", source) {
  override get message(): string {
    if (this.source === "") return "The name of the image is empty"
    const counted = /#0+$/.test(this.source) ? ": pages count from 1" : ""
    return `There is no image at ${this.source}${counted}`
  }
}

/** It is there, but cannot be read: a folder, no permission, a stream that fails. */
export class ImageNotReadable extends ErrorKind.ofImage<ImageNotReadable>()("ImageNotReadable", {
  ...source,
  detail: Schema.String
}) {
  override get message(): string {
    return `Cannot read ${this.source}: ${this.detail}`
  }
}

/** It has more bytes or pixels than the limit. Pixels are those its header promises; nothing was decoded. */
export class ImageTooLarge extends ErrorKind.ofImage<ImageTooLarge>()("ImageTooLarge", {
  ...source,
  measure: Schema.Literals(["bytes", "pixels"]),
  /** As far as it was counted. */
  actual: Schema.Number,
  limit: Schema.Number,
  /** Whose limit it is, where it is not one's own to raise: `the service`, or what a request can hold. */
  by: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    if (this.by !== undefined)
      return `${this.source} has ${this.actual} ${this.measure}, and the limit of ${this.by} is ${this.limit}. Make the image smaller`
    const option = this.measure === "bytes" ? "maxBytes" : "maxPixels"
    return `${this.source} has ${this.actual} ${this.measure}, and the limit is ${this.limit}. Raise \`limits.${option}\`, or make the image smaller`
  }
}

/** Its bytes are no image, or one that is cut off. */
export class NotAnImage extends ErrorKind.ofImage<NotAnImage>()("NotAnImage", {
  ...source,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.source} is not an image: ${this.detail}`
  }
}

/** An image of a kind that this transport does not take. */
export class UnsupportedImage extends ErrorKind.ofImage<UnsupportedImage>()("UnsupportedImage", {
  ...source,
  /** Such as `webp`. */
  format: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.source} is an image of type ${this.format}, which cannot be used here: ${this.detail}`
  }
}

/** Packages that this part needs are not installed: they are optional peer dependencies. */
export class DependencyMissing extends ErrorKind.ofCaller<DependencyMissing>()("DependencyMissing", {
  /** All that are missing, so that one command installs them. */
  packages: Schema.Array(Schema.String),
  /** What it is needed for, such as "decoding images". */
  purpose: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    const { length } = this.packages
    const [packages, them] = length === 1 ? ["package", "it"] : ["packages", "them"]
    return `${this.purpose} needs the ${packages} ${this.packages.join(" and ")}, which cannot be loaded (${this.detail}). Install ${them}: npm install ${this.packages.join(" ")}`
  }
}

export const ImageError = Schema.Union([
  ImageNotFound,
  ImageNotReadable,
  ImageTooLarge,
  NotAnImage,
  UnsupportedImage
])
/** Every way a source turns out not to be an image that can be segmented. */
export type ImageError = ImageNotFound | ImageNotReadable | ImageTooLarge | NotAnImage | UnsupportedImage
