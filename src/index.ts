/**
 * Segment images from TypeScript: an image goes in, a segmentation comes out, and everything on the way is an
 * `Effect` program. Transports are in `effect-segformer/http` and `effect-segformer/onnx`, fakes in
 * `effect-segformer/testing`.
 */
export * as ImageSource from "./image/ImageSource.ts"
export type { Image, ImageLimits, SourceError } from "./image/ImageSource.ts"
export * as JobClient from "./jobs/JobClient.ts"
export * as ClassTable from "./mask/ClassTable.ts"
export * as LabelMap from "./mask/LabelMap.ts"
export type { Region } from "./mask/Region.ts"
export type { Attempt } from "./policy/Attempt.ts"
export * as Policy from "./policy/Policy.ts"
export type { Pictures, Prediction } from "./Prediction.ts"
export type { Cost, Segmentation, SizeRule } from "./Segmentation.ts"
export * from "./SegmentationError.ts"
export {
  segment,
  segmentAll,
  type SegmentAllOptions,
  type SegmentedItem,
  type SegmentOptions,
  withSegmentOptions
} from "./Segmenter.ts"
export {
  type Health,
  type ModelDescription,
  type PredictRequest,
  Transport,
  type TransportOptions
} from "./Transport.ts"
export { segmentWithAgreement } from "./Agreement.ts"
export * as Transports from "./Transports.ts"
