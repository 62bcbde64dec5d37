/** What `LabelPngWriter` of Node gives, where there is none: the bundle of the page's model takes this in its place. */
import { Effect } from "effect"
import type * as LabelPngWriter from "../../../files/LabelPngWriter.ts"
import * as LabelPng from "../../../mask/LabelPng.ts"

export const encode: typeof LabelPngWriter.encode = (map, { classes, maxId, palette } = {}) =>
  Effect.suspend(() =>
    Effect.fromResult(
      LabelPng.encode(map, maxId !== undefined && maxId <= 0xff ? { classes, palette } : { classes })
    )
  )
