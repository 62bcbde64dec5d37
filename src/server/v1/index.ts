/** The HTTP API of `segformer serve` for its clients, wherever there is `fetch`. */
export { SegFormerApi } from "./Api.ts"
export { ApiError } from "./ApiError.ts"
export { JobInfo, JobState } from "./JobsApi.ts"
export { ModelInfo, SegmentResult } from "./SegmentApi.ts"
export * as ServerJobs from "./ServerJobs.ts"
