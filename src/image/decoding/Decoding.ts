/** What is asked of whoever decodes and encodes apart from the main thread, and what comes back. */
import type { ImageFormat } from "../ImageFormat.ts"
import type { Raster } from "../Raster.ts"
import type { Stretch } from "../Stretch.ts"

/** By the browser's own decoders and a canvas, or by code of this package and what it stands on. */
export type Means = "canvas" | "pure"

export interface Decode {
  readonly type: "decode"
  readonly means: Means
  readonly bytes: Uint8Array
  readonly format: ImageFormat
  /** As a person sees it: what the pixels must come to. */
  readonly width: number
  /** As a person sees it. */
  readonly height: number
  /** EXIF orientation, 1 to 8. */
  readonly orientation: number
  readonly page: number
  readonly channels: 3 | 4
  readonly stretch: Stretch | undefined
}

export interface Encode {
  readonly type: "encode"
  readonly means: Means
  readonly raster: Raster
  readonly format: "png" | "jpeg" | "webp"
  /** 1 to 100. */
  readonly quality: number
}

/** Why nothing came of it: the bytes, their kind, or a package that is not installed. */
export class Problem extends Error {
  readonly kind: "broken" | "unsupported" | "missing"
  constructor(kind: Problem["kind"], detail: string) {
    super(detail)
    this.kind = kind
  }
}

export const broken = (detail: string): Problem => new Problem("broken", detail)
export const unsupported = (detail: string): Problem => new Problem("unsupported", detail)
