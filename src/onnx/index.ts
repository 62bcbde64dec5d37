export type { Preprocessing } from "../image/Preprocessing.ts"
export type { Model } from "./Model.ts"
export * as ModelSource from "./native/ModelSource.ts"
export * as SegFormerOnnx from "./native/SegFormerOnnx.ts"
