/** Any segmenter as an HTTP service, on Node. */
export type {
  Dialect,
  DialectRoute,
  Extraction,
  Listening,
  Segmented,
  Served,
  ServerState,
  Upload
} from "./Dialect.ts"
export * as BentoMLDialect from "./dialects/BentoMLDialect.ts"
export { type Caller, CurrentCaller } from "./Caller.ts"
export * as CogDialect from "./dialects/CogDialect.ts"
export * as Companions from "./Companions.ts"
export type { AnnotationOptions } from "./dialects/Annotation.ts"
export * as CvatDialect from "./dialects/cvat/CvatDialect.ts"
export * as Dialects from "./dialects/Dialects.ts"
export * as HuggingFaceDialect from "./dialects/HuggingFaceDialect.ts"
export * as ImageProcessingDialect from "./dialects/ImageProcessingDialect.ts"
export * as InspectionDialect from "./dialects/inspection/InspectionDialect.ts"
export * as LabelStudioDialect from "./dialects/labelStudio/LabelStudioDialect.ts"
export * as OpenInferenceDialect from "./dialects/openInference/OpenInferenceDialect.ts"
export { CannotKeepJobs, type JobsOptions } from "./jobs/JobsOptions.ts"
export { Refusal } from "./Refusal.ts"
export type { Kept } from "./ResultCache.ts"
export * as ReplicateDialect from "./dialects/replicate/ReplicateDialect.ts"
export * as RoboflowDialect from "./dialects/RoboflowDialect.ts"
export * as Lambda from "./Lambda.ts"
export { CannotListen, SegFormerServer, type StartError } from "./SegFormerServer.ts"
export { TokensRequired } from "./Security.ts"
export { type RouteLimits, ServerLimits, type ServerLimitsInput } from "./ServerLimits.ts"
export type { SegFormerServerOptions } from "./ServerOptions.ts"
export { SegFormerApi } from "./v1/Api.ts"
export * as ServerJobs from "./v1/ServerJobs.ts"
export { ApiError } from "./v1/ApiError.ts"
export * as Page from "./page/Page.ts"
export * as StaticPage from "./page/StaticPage.ts"
export * as Telemetry from "./Telemetry.ts"
export * as TfServingDialect from "./dialects/TfServingDialect.ts"
export * as TorchServeDialect from "./dialects/TorchServeDialect.ts"
export * as WebHandler from "./WebHandler.ts"
