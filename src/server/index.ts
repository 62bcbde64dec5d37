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
export * as InspectionDialect from "./InspectionDialect.ts"
export { Refusal } from "./Refusal.ts"
export { CannotListen, SegFormerServer, type SegFormerServerOptions } from "./SegFormerServer.ts"
