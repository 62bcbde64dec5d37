/** What all queries of the tables of runs share. */
import { Effect, Schema } from "effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { DatabaseFailed } from "./ClusterError.ts"

/** Running until the last image is settled; finished when the sinks have written what all images make together. */
export const RunState = Schema.Literals(["running", "paused", "cancelled", "finished"])
export type RunState = typeof RunState.Type

export const toJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

export const failed =
  (operation: string) =>
  <A, E extends { readonly message: string }, R>(
    self: Effect.Effect<A, E, R>
  ): Effect.Effect<A, DatabaseFailed, R> =>
    Effect.mapError(self, (error) => new DatabaseFailed({ operation, detail: error.message }))

export const rows = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) =>
  Schema.decodeUnknownEffect(Schema.Array(schema))

/**
 * What a transaction begins with that changes images too, so that all of them lock in the same order. Gives the run's
 * state; undefined where there is no such run.
 */
export const locked = (sql: SqlClient.SqlClient, run: string) =>
  Effect.map(
    sql<{ readonly state: RunState }>`SELECT state FROM segformer_runs WHERE id = ${run} FOR NO KEY UPDATE`,
    (found) => found[0]?.state
  )
