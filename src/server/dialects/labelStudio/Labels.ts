/**
 * Which class of the model is which label of a labelling configuration: by `predicted_values`, then by the same text, then by the same
 * text in another case. A class goes to the first tag that has a label for it, so that nothing is drawn twice; one that no tag has
 * a label for is left out.
 */
import type * as ClassTable from "../../../mask/ClassTable.ts"
import type * as LabelStudio from "../../../mask/LabelStudio.ts"
import type { Control, Label } from "./LabelConfig.ts"

/** A class and where it goes. */
export interface Placed {
  readonly control: LabelStudio.Control
  /** The least score of a region. */
  readonly least: number | undefined
}

/** The label of a class among those of a tag. */
export const find = (labels: ReadonlyArray<Label>, className: string): Label | undefined => {
  const lower = className.toLowerCase()
  return (
    labels.find(({ predicted }) => predicted.includes(className)) ??
    labels.find(({ texts }) => texts.includes(className)) ??
    labels.find(({ predicted, texts }) =>
      [...predicted, ...texts].some((text) => text.toLowerCase() === lower)
    )
  )
}

/** The places of a model's classes on one picture, by class id. */
export const place = (
  controls: ReadonlyArray<Control>,
  toName: string,
  classes: ClassTable.ClassTable
): ReadonlyMap<number, Placed> => {
  const own = controls.filter((control) => control.toName.includes(toName))
  const places = new Map<number, Placed>()
  for (const { id, name } of classes) {
    for (const { labels, least, name: fromName, type } of own) {
      const label = find(labels, name)
      if (label === undefined) continue
      places.set(id, { control: { type, fromName, toName, label: label.value }, least })
      break
    }
  }
  return places
}

/** The tag and label that somebody draws with: of the label's own tag, or of the first that has one called so. */
export const drawn = (
  controls: ReadonlyArray<Control>,
  toName: string,
  label: string | undefined
): LabelStudio.Control | undefined => {
  if (label === undefined) return undefined
  for (const control of controls) {
    if (!control.toName.includes(toName)) continue
    const found = control.labels.find(({ texts }) => texts.includes(label))
    if (found !== undefined) return { type: control.type, fromName: control.name, toName, label: found.value }
  }
  return undefined
}
