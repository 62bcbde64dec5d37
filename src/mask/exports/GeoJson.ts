import { Result } from "effect"
import * as GeoJson from "../GeoJson.ts"
import * as ExportFormat from "./ExportFormat.ts"

export const format = ExportFormat.make({
  title: "GeoJSON",
  description: "Regions as GeoJSON polygons",
  mediaType: "application/geo+json",
  ending: "geojson",
  isNamedEach: true,
  uses: ["classes", "exclude", "minArea", "tolerance", "transform", "named"],
  per: "run",
  open: ({ named, ...options }) => {
    const writer = GeoJson.writer()
    return {
      start: "",
      *add({ image, map, own }) {
        const features = yield* GeoJson.steps(map, { ...options, ...own })
        return Result.succeed(yield* writer.steps(features, named ? { image } : {}))
      },
      end: writer.end
    }
  }
})
