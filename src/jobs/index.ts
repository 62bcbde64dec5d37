export * from "./Job.ts"
export * as JobClient from "./JobClient.ts"
export * from "./JobError.ts"
