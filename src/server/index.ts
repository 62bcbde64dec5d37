/** Any segmenter as an HTTP service, on Node. */
export type {
  Dialect,
  DialectRoute,
  Segmented,
  Served,
  ServerLimits,
  ServerState,
  Upload
} from "./Dialect.ts"
export * as BentoMLDialect from "./BentoMLDialect.ts"
export * as CogDialect from "./CogDialect.ts"
export * as Dialects from "./Dialects.ts"
export * as HuggingFaceDialect from "./HuggingFaceDialect.ts"
export * as InspectionDialect from "./InspectionDialect.ts"
export * as OpenInferenceDialect from "./OpenInferenceDialect.ts"
export { Refusal } from "./Refusal.ts"
export * as ReplicateDialect from "./ReplicateDialect.ts"
export * as RoboflowDialect from "./RoboflowDialect.ts"
export { CannotListen, SegFormerServer, type SegFormerServerOptions } from "./SegFormerServer.ts"
export * as TfServingDialect from "./TfServingDialect.ts"
export * as TorchServeDialect from "./TorchServeDialect.ts"
