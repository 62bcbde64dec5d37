import { Result } from "effect"
import * as Components from "../Components.ts"
import * as Csv from "../Csv.ts"
import * as Regions from "../Regions.ts"
import * as ExportFormat from "./ExportFormat.ts"

export const format = ExportFormat.make({
  title: "CSV",
  description: "A table of classes, or of regions",
  mediaType: "text/csv",
  ending: "csv",
  isNamedEach: true,
  uses: ["classes", "exclude", "minArea", "regions", "named"],
  per: "run",
  open: ({ minArea, named, regions, ...all }) => ({
    start: Csv.line([...(named ? ["image"] : []), ...(regions ? Csv.REGION_COLUMNS : Csv.AREA_COLUMNS)]),
    *add({ image, map, own = all, regions: known }) {
      const { classes, exclude } = own
      const rows = regions
        ? (
            known?.filter(({ area, classId }) => area >= minArea && !exclude.has(classId)) ??
            (yield* Regions.steps(yield* Components.steps(map, { exclude }), { classes, minArea }))
          ).map(Csv.regionFields)
        : Csv.areaFields(map, classes)
      return Result.succeed(rows.map((fields) => Csv.line(named ? [image, ...fields] : fields)).join(""))
    },
    end: () => ""
  })
})
