export * as ModelSource from "./ModelSource.ts"
export * as SegFormerOnnx from "./SegFormerOnnx.ts"
