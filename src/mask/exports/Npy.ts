import { Result } from "effect"
import * as Npy from "../Npy.ts"
import * as Steps from "../Steps.ts"
import * as ExportFormat from "./ExportFormat.ts"

export const format = ExportFormat.make({
  title: "NumPy",
  description: "Class ids as a NumPy array",
  mediaType: "application/x-npy",
  ending: "npy",
  isNamedEach: true,
  uses: [],
  per: "image",
  open: () => ({
    encode: ({ map }) => Steps.once(() => Result.succeed(Npy.fromLabelMap(map)))
  })
})
