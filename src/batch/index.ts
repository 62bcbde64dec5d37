/**
 * Many images: runs that can be stopped at any moment and go on where they were. `Batch.run` on this machine; many machines
 * are in `effect-segformer/cluster`.
 */
export * from "./BatchError.ts"
export * as Batch from "./Batch.ts"
export * as BatchSource from "./BatchSource.ts"
export * as Fingerprint from "./Fingerprint.ts"
export type { Concurrency } from "./ConcurrencyLimiter.ts"
export * as Item from "./Item.ts"
export type { Progress } from "./Progress.ts"
export { Failure, Receipt } from "./Receipt.ts"
export * as Sink from "./Sink.ts"
export * as Sinks from "./Sinks.ts"
export * as Work from "./Work.ts"
