import { Result } from "effect"
import * as ClassTable from "../ClassTable.ts"
import * as Cvat from "../Cvat.ts"
import * as CvatMask from "../CvatMask.ts"
import * as Palette from "../Palette.ts"
import * as Xml from "../Xml.ts"
import * as ExportFormat from "./ExportFormat.ts"

/** Shapes by what they are called there. */
const types = { mask: "mask", polygon: "polygon", box: "rectangle", bitmask: "mask" } as const

export const format = ExportFormat.make({
  title: "CVAT",
  description: "CVAT for images 1.1: masks, polygons or boxes of each image",
  mediaType: "application/vnd.cvat+xml",
  ending: "cvat.xml",
  isNamedEach: true,
  uses: ["classes", "palette", "exclude", "minArea", "tolerance", "shape", "objects"],
  per: "run",
  open: ({ objects, minArea, palette, shape, tolerance, ...all }) => {
    const type = types[shape]
    const typeOf = () => type
    const labels = all.classes
      .filter(({ id }) => !all.exclude.has(id))
      .map(({ id, name }) => {
        const color = Palette.toHex(Palette.colorOf(palette, id))
        return `<label><name>${Xml.escape(name)}</name><color>${color}</color><type>${type}</type><attributes></attributes></label>`
      })
    let count = 0
    return {
      start:
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n' +
        `<meta><task><mode>annotation</mode><labels>${labels.join("")}</labels></task></meta>\n`,
      *add({ image, map, own = all }) {
        const { classes, exclude } = own
        if (!Xml.canHold(image)) return Result.fail("its image has a name that XML cannot hold")
        const found = yield* Cvat.steps(map, { typeOf, exclude, minArea, tolerance, per: objects })
        const { height, width } = map
        const parts = [`<image${Xml.attributes({ id: count++, name: image, width, height })}>\n`]
        for (const shape of found) {
          const label = ClassTable.nameOf(classes, shape.classId)
          if (!Xml.canHold(label))
            return Result.fail(`class ${shape.classId} has a name that XML cannot hold`)
          parts.push(element(shape, label))
        }
        parts.push("</image>\n")
        return Result.succeed(parts.join(""))
      },
      end: () => "</annotations>\n"
    }
  }
})

const element = (shape: Cvat.Shape, label: string): string => {
  const common = { label, source: "auto", occluded: 0 }
  if (shape.type === "mask") {
    return `<mask${Xml.attributes({ ...common, ...CvatMask.toAttributes(shape.mask), z_order: 0 })}></mask>\n`
  }
  const { points } = shape
  if (shape.type === "rectangle") {
    const [xtl = 0, ytl = 0, xbr = 0, ybr = 0] = points
    return `<box${Xml.attributes({ ...common, xtl, ytl, xbr, ybr, z_order: 0 })}></box>\n`
  }
  let text = ""
  for (let i = 0; i < points.length; i += 2) text += `${i === 0 ? "" : ";"}${points[i]},${points[i + 1]}`
  return `<polygon${Xml.attributes({ ...common, points: text, z_order: 0 })}></polygon>\n`
}
