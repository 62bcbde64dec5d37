/**
 * The functions that CVAT finds here, described as Nuclio describes them: a detector for each shape that a label may have, and an
 * interactor that gives the regions at a click.
 */
import type { ClassTable } from "../../../mask/ClassTable.ts"
import type * as Cvat from "../../../mask/Cvat.ts"
import * as Background from "../../../render/Background.ts"
import type { ModelDescription } from "../../../Transport.ts"

/** One function, and what it does. */
export type Function = {
  /** What CVAT asks for it by. */
  readonly id: string
  /** What it shows. */
  readonly title: string
  readonly description: string
} & ({ readonly kind: "detector"; readonly shape: Cvat.ShapeType } | { readonly kind: "interactor" })

/** Names may have these alone. */
const idOf = (name: string): string =>
  name.replaceAll(/[^\w.-]+/g, "-").replaceAll(/^-+|-+$/g, "") || "segformer"

export const of = ({ name }: ModelDescription): ReadonlyArray<Function> => {
  const id = idOf(name)
  const detector = (shape: Cvat.ShapeType, plural: string): Function => ({
    kind: "detector",
    shape,
    id: shape === "mask" ? id : `${id}-${plural}`,
    title: `${name}: ${plural}`,
    description: `Finds regions of ${name}'s classes, as ${plural}`
  })
  return [
    detector("mask", "masks"),
    detector("polygon", "polygons"),
    detector("rectangle", "boxes"),
    {
      kind: "interactor",
      id: `${id}-click`,
      title: `${name}: region at the click`,
      description: `The region of ${name}'s label map that is clicked`
    }
  ]
}

/** The classes that something is found of, each name once. */
const labelsOf = (classes: ClassTable): ReadonlyArray<{ readonly id: number; readonly name: string }> => {
  const background = Background.idsOf(classes)
  const names = new Set<string>()
  return classes.flatMap(({ id, name }) => {
    if (background.has(id) || names.has(name)) return []
    names.add(name)
    return [{ id, name }]
  })
}

/** As `/api/functions` has it; `port` is where the function itself is asked, which is this server's. */
export const described = (
  own: Function,
  { classes }: ModelDescription,
  state: { readonly port: number; readonly isReady: boolean }
) => {
  const annotations =
    own.kind === "detector"
      ? {
          type: "detector",
          spec: JSON.stringify(
            labelsOf(classes).map(({ name }, index) => ({
              id: index + 1,
              name,
              type: own.shape,
              attributes: []
            }))
          )
        }
      : {
          type: "interactor",
          spec: "[]",
          version: "2",
          min_pos_points: "1",
          min_neg_points: "0",
          help_message: "Click on a region to take it, and on another to leave it out"
        }
  return {
    metadata: {
      name: own.id,
      namespace: "nuclio",
      labels: { "nuclio.io/project-name": "cvat" },
      annotations: { name: own.title, framework: "effect-segformer", ...annotations }
    },
    spec: { description: own.description },
    status: { state: state.isReady ? "ready" : "unhealthy", httpPort: state.port }
  }
}
