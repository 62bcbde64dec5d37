/**
 * A run on many machines: the same body of work and the same sinks as on one, driven by `effect/workflow` on
 * `effect/cluster` over PostgreSQL. `ClusterRuns` submits and asks, `ClusterWorker` works.
 */
export * from "./cluster/ClusterError.ts"
export * as ClusterEngine from "./cluster/ClusterEngine.ts"
export * as ClusterRuns from "./cluster/ClusterRuns.ts"
export * as ClusterWorker from "./cluster/ClusterWorker.ts"
