/** A picture read both ways: at once, and in windows. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { ImageSource } from "effect-segformer"
import { type DecodeOptions, ImageCodec } from "effect-segformer/image"
import { LargeImage } from "effect-segformer/tiled"
import { folder } from "../support/Folder.ts"

export const decode = (bytes: Uint8Array, options?: DecodeOptions) =>
  Effect.flatMap(ImageCodec, (codec) =>
    Effect.flatMap(ImageSource.bytes(bytes, { name: "picture" }).open(), (image) =>
      codec.decode(image, options)
    )
  )

/** As `segformer tile` reads it: the whole of it as one window. */
export const decodeLarge = Effect.fnUntraced(function* (bytes: Uint8Array, options?: LargeImage.FileOptions) {
  const path = join(yield* folder({}), "picture")
  writeFileSync(path, bytes)
  const picture = yield* LargeImage.file(path, options)
  const window = yield* picture.window({ x: 0, y: 0, width: picture.width, height: picture.height })
  return yield* Effect.flatMap(ImageCodec, (codec) => codec.decode(window))
}, Effect.scoped)

/** One of each three. */
export const grey = (data: Uint8Array) => Array.from({ length: data.length / 3 }, (_, i) => data[i * 3] ?? -1)
