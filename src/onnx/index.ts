export type { Preprocessing } from "../image/Preprocessing.ts"
export type { Model } from "./ModelFolder.ts"
export * as ModelSource from "./ModelSource.ts"
export * as SegFormerOnnx from "./SegFormerOnnx.ts"
