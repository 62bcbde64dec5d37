import { Result } from "effect"
import * as GeoJson from "../GeoJson.ts"
import * as ExportFormat from "./ExportFormat.ts"

export const format = ExportFormat.make({
  title: "GeoJSON",
  description: "Regions as GeoJSON polygons",
  mediaType: "application/geo+json",
  ending: "geojson",
  uses: ["classes", "exclude", "minArea", "tolerance", "transform", "named"],
  per: "run",
  open: ({ named, ...options }) => {
    const writer = GeoJson.writer()
    return {
      start: "",
      *add({ image, map }) {
        return Result.succeed(yield* writer.steps(yield* GeoJson.steps(map, options), named ? { image } : {}))
      },
      end: writer.end
    }
  }
})
