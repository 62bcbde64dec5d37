/** Pixels in memory. */

/** `[height, width, channels]` bytes, row-major, sRGB, not premultiplied. */
export interface Raster {
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  /** 1 grey, 3 RGB, 4 RGBA. */
  readonly channels: 1 | 3 | 4
  readonly data: Uint8Array
}
