/** What files are made of: the picture that is shown, as it looks now, or all of them. */
import * as Appearance from "./Appearance.ts"
import type { Source } from "./Downloads.ts"
import type { Picture } from "./Gallery.ts"
import * as Models from "./Models.ts"
import type { Result } from "./Result.ts"
import type { Painting } from "./Saving.ts"
import * as Tools from "./Tools.ts"

export interface Wanted {
  readonly shown: { readonly picture: Picture; readonly result: Result } | undefined
  /** All of them; the one that is shown unless given. */
  readonly pictures: ReadonlyArray<Picture> | undefined
  readonly part: Source["part"]
  /** What is picked, and what is beside the picture, of the one that is shown. */
  readonly emphasis: () => Painting["emphasis"]
  readonly beside: () => Painting["beside"]
}

export const of = ({ beside, emphasis, part, pictures, shown }: Wanted): ReadonlyArray<Source> => {
  const painting = { opacity: Tools.opacity(), look: Appearance.look, least: Tools.least() }
  if (pictures === undefined) {
    if (shown === undefined) return []
    const { picture, result } = shown
    return [
      {
        file: picture.file,
        result,
        table: Models.classesOf(result.model),
        painting: { ...painting, emphasis: emphasis(), beside: beside() },
        part
      }
    ]
  }
  return pictures.flatMap(({ file, model, results }) => {
    const result = results.get(model)
    if (result === undefined) return []
    const plain = { ...painting, emphasis: undefined, beside: undefined }
    return [{ file, result, table: Models.classesOf(model), painting: plain, part }]
  })
}
