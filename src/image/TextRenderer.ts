/**
 * Words of any script as coverage, by whoever can shape them: a service, since fonts, joined letters and text from right to
 * left are no matter of this library. On Node it is sharp's (`SharpCodec.layer` sets it); elsewhere there is none by
 * default, and words are drawn in letters of our own, which are Latin.
 */
import { Context, type Effect } from "effect"

/** A text as coverage: `[height, width]` bytes, 255 where a pixel is covered. */
export interface Word {
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  /** Rows from the top to the base line. */
  readonly baseline: number
  readonly coverage: Uint8Array
}

export interface TextRenderer {
  /** A line of text whose capitals are `size` pixels high; `undefined` where it cannot be drawn. Never fails. */
  readonly line: (text: string, size: number) => Effect.Effect<Word | undefined>
}

/** Who draws words that are not Latin; nobody by default. */
export const CurrentTextRenderer = Context.Reference<TextRenderer | undefined>(
  "effect-segformer/image/TextRenderer/CurrentTextRenderer",
  { defaultValue: () => undefined }
)
