/**
 * Segment images from TypeScript: an image goes in, a segmentation comes out, and everything on the way is an
 * `Effect` program. Transports are in `effect-segformer/http` and `effect-segformer/onnx`, fakes in
 * `effect-segformer/testing`.
 */
export * from "./Essentials.ts"
export type { Image, ImageLimits, SourceError } from "./image/ImageSource.ts"
export * as JobClient from "./jobs/JobClient.ts"
export * as ClassTable from "./mask/ClassTable.ts"
export * as LabelMap from "./mask/LabelMap.ts"
export type { Region } from "./mask/Region.ts"
export type { Attempt } from "./policy/Attempt.ts"
export type { Pictures, Prediction } from "./Prediction.ts"
export type { Cost, Segmentation, SizeRule } from "./Segmentation.ts"
export * from "./SegmentationError.ts"
export type { SegmentAllOptions, SegmentedItem, SegmentOptions } from "./Segmenter.ts"
export type { Health, ModelDescription, PredictRequest, TransportOptions } from "./Transport.ts"
export { segmentWithAgreement } from "./Agreement.ts"
export * as Transports from "./Transports.ts"
