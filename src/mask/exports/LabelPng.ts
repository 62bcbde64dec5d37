import { Result } from "effect"
import * as LabelPng from "../LabelPng.ts"
import * as Steps from "../Steps.ts"
import * as ExportFormat from "./ExportFormat.ts"

export const format = ExportFormat.make({
  title: "PNG",
  description: "The label map: a PNG whose pixels are class ids, with the classes' colours as its palette",
  mediaType: "image/png",
  ending: "labels.png",
  isNamedEach: true,
  uses: ["palette", "classes"],
  per: "image",
  open: (all) => ({
    encode: ({ map, own = all }) =>
      Steps.once(() => {
        const { classes, palette } = own
        const fits = palette.length > 0 && map.data instanceof Uint8Array
        return Result.mapError(
          LabelPng.encode(map, fits ? { classes, palette } : { classes }),
          ({ detail }) => detail
        )
      })
  })
})
