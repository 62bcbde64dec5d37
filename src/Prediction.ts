/**
 * What a transport gives back: logits, a label map, or what a service rendered. `segment` turns each into the same
 * `Segmentation`.
 */
import type { Duration } from "effect"
import type { ClassTable } from "./mask/ClassTable.ts"
import type { ConfidenceMap } from "./mask/ConfidenceMap.ts"
import type { LabelMap } from "./mask/LabelMap.ts"
import type { Logits as LogitsData } from "./mask/Logits.ts"
import type { Uncertainty } from "./mask/Uncertainty.ts"
import type { Region } from "./mask/Region.ts"

/** Pictures that a service rendered, as the bytes of PNG files. */
export interface Pictures {
  /** The image with the classes painted over it. */
  readonly overlay?: Uint8Array | undefined
  /** Whatever the service puts side by side. */
  readonly combined?: Uint8Array | undefined
  /** The classes in colour. */
  readonly mask?: Uint8Array | undefined
}

interface Common {
  /** The classes of the model, or those that the answer names. */
  readonly classes: ClassTable
  /** By class id, from 0 to 1. */
  readonly scores?: ReadonlyMap<number, number> | undefined
  /** Where the other side found them itself. */
  readonly regions?: ReadonlyArray<Region> | undefined
  readonly pictures?: Pictures | undefined
  /** The size to which the image was brought for the model, where the map's shape is that one's and not the image's. */
  readonly input?: { readonly width: number; readonly height: number } | undefined
  /** The id under which the other side knows this request. */
  readonly requestId?: string | undefined
  /** What the other side says it took. */
  readonly serviceTime?: Duration.Duration | undefined
}

/** Scores per class and position, usually at a quarter of the size the model saw. */
export interface Logits extends Common {
  readonly _tag: "Logits"
  readonly logits: LogitsData
}

/** Class ids, at the image's size or another. */
export interface Labels extends Common {
  readonly _tag: "Labels"
  readonly labelMap: LabelMap
  readonly confidence?: ConfidenceMap | undefined
  /** How unsure the model is of the whole image, where whoever decided had its logits. */
  readonly uncertainty?: Uncertainty | undefined
}

/** Pictures and regions, from which no label map follows. */
export interface Rendered extends Common {
  readonly _tag: "Rendered"
  /** Of the image as the service saw it, in pixels. */
  readonly width: number
  readonly height: number
}

export type Prediction = Logits | Labels | Rendered
