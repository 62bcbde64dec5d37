/** What is said of a result: beside its name, and aloud when it comes. */
import * as Picture from "./Picture.ts"
import type { Result } from "./Result.ts"
import { counted, percent, seconds } from "./Text.ts"

/** Size, model and time, and what else a person should know. `bitmap` is what this browser shows of the picture, where it can. */
export const about = (
  { height, model, morePages, seconds: took, width }: Result,
  bitmap: ImageBitmap | undefined
): string => {
  const clear = bitmap === undefined ? 0 : Picture.transparent(bitmap)
  const more =
    bitmap === undefined
      ? ". This browser cannot show the picture itself, only what is on it."
      : clear > 0.01
        ? `. ${percent(clear)} of it is transparent: what the model says there is of no picture.`
        : ""
  const pages = morePages === true ? " · its first page or frame, and there are more" : ""
  return `${width} × ${height} · ${model} · ${seconds(took)}${pages}${more}`
}

/** How much was found, and what most of it is. */
export const found = ({ classes, regionsTotal }: Result): string => {
  const [largest] = classes
  const most = largest === undefined ? "" : `, most of it ${largest.name}, ${percent(largest.share)}`
  return `Done: ${counted(classes.length, "class", "classes")} and ${counted(regionsTotal, "region", "regions")}${most}`
}
