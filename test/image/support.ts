/** How an image fails to open. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { ImageLimits, ImageSource, SourceError } from "effect-segformer"

export const failure = <R>(source: ImageSource.ImageSource<R>, limits?: Partial<ImageLimits>) =>
  Effect.flip(source.open(limits))

export const isAbout = (error: SourceError, tag: SourceError["_tag"], ...parts: ReadonlyArray<string>) => {
  assert.strictEqual(error._tag, tag)
  for (const part of parts) assert.include(error.message, part)
  assert.isFalse(error.isRetryable)
}

export const cut = (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1)
