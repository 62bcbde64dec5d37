/** Pixels in memory. */
import { Effect } from "effect"
import { NotAnImage } from "./ImageError.ts"

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

/** Fails where a raster has more bytes or fewer than its size needs. */
export const whole = (
  source: string,
  { channels, data, height, width }: Raster
): Effect.Effect<void, NotAnImage> => {
  const needed = width * height * channels
  const detail = `${width} x ${height} x ${channels} bytes are ${needed}, but there are ${data.length}`
  return data.length === needed ? Effect.void : Effect.fail(new NotAnImage({ source, detail }))
}
