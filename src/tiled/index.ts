/** Pictures larger than memory: read, segmented and written in bands. */
export * as Augmentation from "./Augmentation.ts"
export * as LabelFile from "./LabelFile.ts"
export * as LargeImage from "./LargeImage.ts"
export * as Tiled from "./Tiled.ts"
export * as Windows from "./Windows.ts"
export type { Band } from "./Band.ts"
export * from "./TilingError.ts"
