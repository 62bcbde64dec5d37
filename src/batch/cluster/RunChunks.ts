/**
 * Which images are done together, and by whom. Each image has the number of its chunk, and each chunk is one workflow. A
 * chunk that nobody has begun is there for all: a worker that has nothing left to begin moves its images to a chunk that
 * it is at, so that they are that workflow's from then on, whatever becomes of the worker. The chunk that had them finds
 * nothing to do.
 */
import { Effect, Schema } from "effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseFailed } from "./ClusterError.ts"
import { failed, locked, rows, toJson } from "./RunQueries.ts"

/** Where an image is, for whichever machine. */
export const ImageRef = Schema.Struct({ key: Schema.String, location: Schema.String })
export type ImageRef = typeof ImageRef.Type

/** The queries about chunks, over a connection pool. */
export const make = (sql: SqlClient.SqlClient) => {
  const number = Effect.map(
    sql<{ readonly number: number }>`SELECT nextval('segformer_numbers')::int AS number`,
    (found) => found[0]?.number ?? 0
  )
  const note = (run: string, chunk: number) =>
    sql`INSERT INTO segformer_chunks (run, chunk) VALUES (${run}, ${chunk}::int)`

  const renumber = Effect.fnUntraced(function* (run: string, chunk: number) {
    const next = yield* number
    yield* note(run, next)
    yield* sql`UPDATE segformer_images SET chunk = ${next}::int
      WHERE run = ${run} AND chunk = ${chunk}::int AND settled_at IS NULL`
    return next
  })

  const left = (run: string, chunk: number) =>
    Effect.flatMap(
      sql`SELECT key, location FROM segformer_images
        WHERE run = ${run} AND chunk = ${chunk}::int AND settled_at IS NULL ORDER BY key`,
      rows(ImageRef)
    )

  /** Another chunk that nobody has begun, which is from now on; none where this one has another holder by now. */
  const claimed = Effect.fnUntraced(function* (run: string, chunk: number, holder: string) {
    if ((yield* locked(sql, run)) !== "running") return undefined
    const [other] = yield* sql<{ readonly chunk: number }>`UPDATE segformer_chunks SET holder = ${holder}
      WHERE run = ${run} AND chunk = (
        SELECT chunk FROM segformer_chunks WHERE run = ${run} AND holder IS NULL
        ORDER BY chunk DESC LIMIT 1 FOR UPDATE SKIP LOCKED
      ) AND EXISTS (
        SELECT 1 FROM segformer_chunks WHERE run = ${run} AND chunk = ${chunk}::int AND holder = ${holder} FOR UPDATE
      ) RETURNING chunk`
    return other?.chunk
  })

  const takeOver = (
    run: string,
    chunk: number,
    holder: string
  ): Effect.Effect<ReadonlyArray<ImageRef>, DatabaseFailed> =>
    sql
      .withTransaction(
        Effect.gen(function* () {
          const from = yield* claimed(run, chunk, holder)
          if (from === undefined) return undefined
          return yield* Effect.flatMap(
            sql`UPDATE segformer_images SET chunk = ${chunk}::int
              WHERE run = ${run} AND chunk = ${from}::int AND settled_at IS NULL RETURNING key, location`,
            rows(ImageRef)
          )
        })
      )
      .pipe(
        failed("take a chunk over"),
        // What was in it may be settled, or in another one.
        Effect.flatMap((images) =>
          images === undefined
            ? Effect.succeed([])
            : images.length > 0
              ? Effect.succeed(images)
              : takeOver(run, chunk, holder)
        )
      )

  return {
    /** Adds images as one chunk, and gives its number; undefined where the run had them all. */
    addChunk: (run: string, images: ReadonlyArray<ImageRef>) =>
      sql
        .withTransaction(
          Effect.gen(function* () {
            yield* locked(sql, run)
            const chunk = yield* number
            const added = yield* sql`INSERT INTO segformer_images (run, key, location, chunk)
              SELECT ${run}, key, location, ${chunk}::int
              FROM jsonb_to_recordset(${toJson(images)}::jsonb) AS given (key TEXT, location TEXT)
              ON CONFLICT (run, key) DO NOTHING RETURNING 1`
            if (added.length === 0) return undefined
            yield* note(run, chunk)
            yield* sql`UPDATE segformer_runs SET images = images + ${added.length}::int WHERE id = ${run}`
            return { chunk, images: added.length }
          })
        )
        .pipe(failed("add images to a run")),

    /** Gives what is left of a chunk to a new one, and gives its number. */
    renumber: (run: string, chunk: number) =>
      sql
        .withTransaction(Effect.andThen(locked(sql, run), renumber(run, chunk)))
        .pipe(failed("give images to another chunk")),

    /**
     * The end of a chunk of which something is left: that goes to a new chunk, for whoever submits again. Gives whether
     * it does: not if the run goes on, as somebody has submitted it again and counts on this chunk.
     */
    giveUp: (run: string, chunk: number) =>
      sql
        .withTransaction(
          Effect.gen(function* () {
            // A submission comes before this, or after it.
            const state = yield* locked(sql, run)
            if (state === "running" || state === "paused") return false
            yield* renumber(run, chunk)
            return true
          })
        )
        .pipe(failed("give a chunk up")),

    /**
     * Takes back that images have failed, all or those with one tag, so that they are done again, in chunks of their own:
     * those that they have failed in may be ending. Gives how many.
     */
    retryFailed: (run: string, tag?: string) =>
      sql
        .withTransaction(
          Effect.gen(function* () {
            yield* locked(sql, run)
            const wanted = tag === undefined ? sql`image.tag IS NOT NULL` : sql`image.tag = ${tag}`
            const again = yield* sql`WITH given AS (
                SELECT chunk, nextval('segformer_numbers')::int AS next FROM (
                  SELECT DISTINCT chunk FROM segformer_images AS image WHERE run = ${run} AND ${wanted}
                ) AS failed
              ), noted AS (INSERT INTO segformer_chunks (run, chunk) SELECT ${run}, next FROM given)
              UPDATE segformer_images AS image SET settled_at = NULL, tag = NULL, message = NULL, chunk = given.next
              FROM given WHERE image.run = ${run} AND image.chunk = given.chunk AND ${wanted} RETURNING 1`
            yield* sql`UPDATE segformer_runs SET failed = failed - ${again.length}::int,
              max_failures = max_failures - ${again.length}::int WHERE id = ${run}`
            return again.length
          })
        )
        .pipe(failed("take failures back")),

    /** Chunks of which something is left. */
    leftChunks: (run: string) =>
      sql<{ readonly chunk: number }>`SELECT DISTINCT chunk FROM segformer_images
        WHERE run = ${run} AND settled_at IS NULL ORDER BY chunk`.pipe(
        Effect.map((found) => found.map(({ chunk }) => chunk)),
        failed("look for chunks that are not done")
      ),

    /** The images of a chunk that are not settled. */
    leftOf: (run: string, chunk: number) => left(run, chunk).pipe(failed("read a chunk")),

    /** The same for who begins it: from now on nobody takes it over, and nobody who had it before takes over others for it. */
    beginChunk: (run: string, chunk: number, holder: string) =>
      // One after the other: what is taken over meanwhile is seen by the second.
      sql`UPDATE segformer_chunks SET holder = ${holder} WHERE run = ${run} AND chunk = ${chunk}::int`.pipe(
        Effect.andThen(left(run, chunk)),
        failed("begin a chunk")
      ),

    /** Moves the images of a chunk that nobody has begun to one that this holder is at. None where there is no such chunk. */
    takeOver
  }
}
