/**
 * The tables of the runs, beside those of the engine: one row per run, one per image. An image's row is its line in the
 * journal: it is settled once, in the transaction that also counts it, so what is repeated after a crash counts once.
 */
import {
  Effect,
  Exit,
  Option,
  RcRef,
  Request,
  RequestResolver,
  Schema,
  Scope,
  Semaphore,
  Stream
} from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SinkFailed } from "../BatchError.ts"
import { Failure, Receipt } from "../Receipt.ts"
import { DatabaseFailed, UnknownRun } from "./ClusterError.ts"
import * as RunChunks from "./RunChunks.ts"
import { failed, rows, RunState, toJson } from "./RunQueries.ts"

/** One run, as it stands. */
export const RunRow = Schema.Struct({
  id: Schema.String,
  /** What the submitter tells the workers, as JSON. */
  spec: Schema.fromJsonString(Schema.Unknown),
  /** What results depend on, as the first worker found it. */
  fingerprint: Schema.NullOr(Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))),
  state: RunState,
  /** Why it is paused or cancelled, where nobody asked for it. */
  reason: Schema.NullOr(Schema.String),
  /** Whether images are still being submitted. */
  open: Schema.Boolean,
  /** The number of the submission, or of what was resumed; each ends with the sinks' last word. */
  epoch: Schema.Int,
  images: Schema.Int,
  done: Schema.Int,
  /** Of those done, the images whose content had been done before. */
  repeated: Schema.Int,
  failed: Schema.Int,
  /** The number of failures that ends it: those before the last submission, and what that one allows. */
  max_failures: Schema.NullOr(Schema.Int),
  created_at: Schema.Date,
  finished_at: Schema.NullOr(Schema.Date),
  /** What the sinks have written at the end. */
  results: Schema.fromJsonString(Schema.Array(Schema.String))
})
export type RunRow = typeof RunRow.Type

const columns = `id, spec, fingerprint, state, reason, open, epoch, images::float8 AS images, done::float8 AS done,
  repeated::float8 AS repeated, failed::float8 AS failed, max_failures, created_at, finished_at, results`

/** One image that is settled: with a receipt, or with what was wrong with it. */
export type Settled = { readonly receipt: Receipt } | Failure

const ReceiptText = Schema.fromJsonString(Receipt)
const writeReceipt = Schema.encodeSync(ReceiptText)

/** Text as PostgreSQL takes it: an error may quote any bytes. */
const storable = (text: string): string => Buffer.from(text).toString().replaceAll("\0", "")

const page = 1000

/** How long a question waits for others to be asked with it: less than an image takes to be read. */
const together = "2 millis"

interface Find extends Request.Request<Receipt | undefined, DatabaseFailed> {
  readonly _tag: "Find"
  readonly run: string
  readonly content: string
}
const Find = Request.tagged<Find>("Find")

const pages = <A extends { readonly key: string }, E>(
  read: (after: string) => Effect.Effect<ReadonlyArray<A>, E>
): Stream.Stream<A, E> =>
  Stream.paginate("", (after) =>
    Effect.map(read(after), (found) => [
      found,
      found.length < page ? Option.none() : Option.fromUndefinedOr(found.at(-1)?.key)
    ])
  )

/** The queries, over a connection pool. */
export const make = Effect.gen(function* () {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()

  // A lock is its connection's, so that it cannot outlive the process. All of this process are on one connection, which
  // is held while there are any: with one each, submissions wait for connections that others of them hold.
  const locks = yield* RcRef.make({ acquire: sql.reserve }).pipe(
    Effect.provideService(Scope.Scope, Scope.makeUnsafe())
  )
  const asking = Semaphore.makeUnsafe(1)
  // One that has died is held by those who had locks on it; others get a new one.
  const alive = Effect.flatMap(RcRef.get(locks), (connection) =>
    Effect.as(asking.withPermit(connection.execute("SELECT 1", [], undefined)), connection)
  ).pipe(
    Effect.tapError(() => RcRef.invalidate(locks)),
    Effect.retry({ times: 1 })
  )
  const submitting = new Set<string>()

  const get = Effect.fnUntraced(function* (
    id: string
  ): Effect.fn.Return<RunRow, DatabaseFailed | UnknownRun> {
    const found = yield* sql`SELECT ${sql.literal(columns)} FROM segformer_runs WHERE id = ${id}`.pipe(
      Effect.flatMap(rows(RunRow)),
      failed("read a run")
    )
    return found[0] ?? (yield* new UnknownRun({ run: id }))
  })

  const finding = RequestResolver.makeGrouped<Find, string>({
    key: ({ request }) => request.run,
    resolver: (entries, run) => {
      const contents = entries.map(({ request }) => request.content)
      return sql`SELECT content, found.receipt FROM jsonb_array_elements_text(${toJson(contents)}::jsonb) AS given (content),
        LATERAL (
          SELECT receipt FROM segformer_images WHERE run = ${run} AND content = given.content
          ORDER BY settled_at LIMIT 1
        ) AS found`.pipe(
        Effect.flatMap(rows(Schema.Struct({ content: Schema.String, receipt: ReceiptText }))),
        failed("look for equal images"),
        Effect.exit,
        Effect.map((exit) => {
          for (const entry of entries)
            entry.completeUnsafe(
              Exit.map(
                exit,
                (found) => found.find(({ content }) => content === entry.request.content)?.receipt
              )
            )
        })
      )
    }
  }).pipe(RequestResolver.setDelay(together))

  return {
    ...RunChunks.make(sql),

    get,

    list: sql`SELECT ${sql.literal(columns)} FROM segformer_runs ORDER BY created_at`.pipe(
      Effect.flatMap(rows(RunRow)),
      failed("list the runs")
    ),

    /**
     * Begins a submission: makes the run where there is none, and opens it. A run that was ended goes on, and so does one
     * that workers have paused: only they give a reason.
     */
    open: (run: {
      readonly id: string
      readonly spec: unknown
      readonly maxFailures: number | undefined
      /** Whether workers may have another fingerprint from now on. */
      readonly allowChange: boolean
    }) =>
      sql`INSERT INTO segformer_runs AS run (id, spec, max_failures)
        VALUES (${run.id}, ${toJson(run.spec)}, ${run.maxFailures ?? null})
        ON CONFLICT (id) DO UPDATE SET spec = EXCLUDED.spec, max_failures = run.failed + EXCLUDED.max_failures,
          open = TRUE, epoch = nextval('segformer_numbers'), reason = NULL, finished_at = NULL,
          fingerprint = CASE WHEN ${run.allowChange} THEN NULL ELSE run.fingerprint END,
          state = CASE WHEN run.state = 'paused' AND run.reason IS NULL THEN 'paused' ELSE 'running' END`.pipe(
        Effect.andThen(get(run.id)),
        Effect.catchTag("UnknownRun", Effect.die),
        failed("open a run")
      ),

    /** Of these keys, those that the run has. */
    known: (run: string, keys: ReadonlyArray<string>) =>
      sql<{ readonly key: string }>`SELECT key FROM segformer_images
        WHERE run = ${run} AND key IN (SELECT jsonb_array_elements_text(${toJson(keys)}::jsonb))`.pipe(
        Effect.map((found) => new Set(found.map(({ key }) => key))),
        failed("look for images of a run")
      ),

    /** Ends a submission. */
    close: (run: string) =>
      sql`UPDATE segformer_runs SET open = FALSE WHERE id = ${run}`.pipe(
        Effect.andThen(get(run)),
        failed("close a run")
      ),

    /** The submission of a running run of which all images are submitted and settled; undefined where some are not. */
    settledEpoch: (run: string) =>
      sql<{ readonly epoch: number }>`SELECT epoch FROM segformer_runs
        WHERE id = ${run} AND state = 'running' AND NOT open AND NOT EXISTS (
          SELECT 1 FROM segformer_images WHERE run = id AND settled_at IS NULL
        )`.pipe(
        Effect.map((found) => found[0]?.epoch),
        failed("look whether a run is done")
      ),

    /**
     * Settles images and counts them; those that are settled already are left as they are, and so are those that failed
     * for an earlier submission than the run's: this one counts its own. Gives whether the run goes on, and whether the
     * submission is still that of the run.
     */
    settle: (run: string, epoch: number, images: ReadonlyArray<Settled>) => {
      const given = images.map((image) =>
        "receipt" in image
          ? {
              key: image.receipt.key,
              content: image.receipt.content,
              receipt: writeReceipt(image.receipt),
              repeated: image.receipt.sameAs !== undefined
            }
          : { key: image.key, tag: image.tag, message: storable(image.message), repeated: false }
      )
      const ends = sql`counted.failed > 0 AND run.failed + counted.failed >= run.max_failures AND run.state = 'running'`
      return sql<{ readonly state: string; readonly epoch: number }>`WITH held AS (
          SELECT epoch FROM segformer_runs WHERE id = ${run} FOR NO KEY UPDATE
        ), given AS (
          SELECT * FROM jsonb_to_recordset(${toJson(given)}::jsonb)
            AS given (key TEXT, content TEXT, receipt TEXT, tag TEXT, message TEXT, repeated BOOLEAN)
        ), settled AS (
          UPDATE segformer_images AS image SET settled_at = now(), content = given.content, receipt = given.receipt,
            tag = given.tag, message = given.message
          FROM given, held WHERE image.run = ${run} AND image.key = given.key AND image.settled_at IS NULL
            AND (given.tag IS NULL OR held.epoch = ${epoch}::int)
          RETURNING given.tag IS NOT NULL AS failed, given.repeated
        ), counted AS (
          SELECT count(*) FILTER (WHERE NOT failed) AS done, count(*) FILTER (WHERE repeated) AS repeated,
            count(*) FILTER (WHERE failed) AS failed FROM settled
        )
        UPDATE segformer_runs AS run SET done = run.done + counted.done, repeated = run.repeated + counted.repeated,
          failed = run.failed + counted.failed,
          state = CASE WHEN ${ends} THEN 'cancelled' ELSE run.state END,
          reason = CASE WHEN ${ends} THEN 'too many images failed: ' || (run.failed + counted.failed) ELSE run.reason END
        FROM counted WHERE run.id = ${run} RETURNING run.state, run.epoch`.pipe(
        Effect.map(([row]) => ({ goesOn: row?.state === "running", isCurrent: row?.epoch === epoch })),
        failed("note results")
      )
    },

    /** The receipt of an image of the run with this content. Who asks within the same few milliseconds asks together. */
    find: (run: string, content: string) => Effect.request(Find({ run, content }), finding),

    /** All that is done, in the order of keys. */
    receipts: (run: string): Stream.Stream<Receipt, DatabaseFailed> =>
      pages((after) =>
        sql`SELECT receipt FROM segformer_images
          WHERE run = ${run} AND key > ${after} AND receipt IS NOT NULL ORDER BY key LIMIT ${page}`.pipe(
          Effect.flatMap(rows(Schema.Struct({ receipt: ReceiptText }))),
          Effect.map((found) => found.map(({ receipt }) => receipt)),
          failed("read what is done")
        )
      ),

    /** All that failed, in the order of keys. */
    failures: (run: string): Stream.Stream<Failure, DatabaseFailed> =>
      pages((after) =>
        sql`SELECT key, tag, message FROM segformer_images
          WHERE run = ${run} AND key > ${after} AND tag IS NOT NULL ORDER BY key LIMIT ${page}`.pipe(
          Effect.flatMap(rows(Failure)),
          failed("read what failed")
        )
      ),

    /** Moves a run from one of some states into another; gives whether it was in one of them. */
    move: (run: string, from: ReadonlyArray<RunState>, to: RunState, reason?: string) =>
      sql`UPDATE segformer_runs SET state = ${to}, reason = ${reason === undefined ? null : storable(reason)}
        WHERE id = ${run} AND ${sql.in("state", from)} RETURNING 1`.pipe(
        Effect.map((moved) => moved.length > 0),
        failed(`mark a run as ${to}`)
      ),

    /** Lets a paused run go on, to an end of its own. */
    resume: (run: string) =>
      sql`UPDATE segformer_runs SET state = 'running', reason = NULL, epoch = nextval('segformer_numbers')
        WHERE id = ${run} AND state = 'paused'`.pipe(failed("resume a run"), Effect.andThen(get(run))),

    /** Notes that the sinks have written the end of a submission; not if there was another one since. */
    finish: (run: string, epoch: number, results: ReadonlyArray<string>) =>
      sql`UPDATE segformer_runs SET state = 'finished', finished_at = now(), results = ${toJson(results)}
        WHERE id = ${run} AND epoch = ${epoch}::int AND state = 'running'`.pipe(
        Effect.asVoid,
        failed("finish a run")
      ),

    /** Forgets a run and all its images. What is written stays. */
    remove: (run: string) =>
      sql`DELETE FROM segformer_runs WHERE id = ${run}`.pipe(Effect.asVoid, failed("forget a run")),

    /**
     * The first to open a run prepares it, while the others wait; each learns the fingerprint that the run was begun
     * with.
     */
    begin: <R>(
      run: string,
      fingerprint: Readonly<Record<string, string>>,
      prepare: Effect.Effect<void, SinkFailed, R>
    ) =>
      sql
        .withTransaction(
          Effect.gen(function* () {
            const [found] = yield* sql<{
              readonly fingerprint: string | null
              readonly prepared: boolean
            }>`SELECT fingerprint, prepared FROM segformer_runs WHERE id = ${run} FOR UPDATE`
            if (found === undefined) return yield* new UnknownRun({ run })
            if (!found.prepared) yield* prepare
            if (found.fingerprint !== null) {
              return yield* Schema.decodeUnknownEffect(
                Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))
              )(found.fingerprint)
            }
            yield* sql`UPDATE segformer_runs SET fingerprint = ${toJson(fingerprint)}, prepared = TRUE WHERE id = ${run}`
            return fingerprint
          })
        )
        .pipe(
          Effect.catchTags({
            SqlError: (error) =>
              Effect.fail(new DatabaseFailed({ operation: "begin a run", detail: error.message })),
            SchemaError: (error) =>
              Effect.fail(new DatabaseFailed({ operation: "begin a run", detail: error.message }))
          })
        ),

    /** Runs while nobody else submits to this run; None where somebody does. */
    whileSubmitting: <A, E, R>(run: string, self: Effect.Effect<A, E, R>) =>
      Effect.suspend(() => {
        // To the database, submissions of this process are one.
        if (submitting.has(run)) return Effect.succeedNone
        submitting.add(run)
        return Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* failed("connect")(alive)
            const lock = "hashtextextended('segformer submits ' || $1, 0)"
            const ask = (text: string) =>
              asking.withPermit(
                failed("lock a run")(connection.execute(`SELECT ${text}(${lock}) AS got`, [run], undefined))
              )
            // Who is interrupted meanwhile must know whether there is a lock to give back.
            return yield* Effect.acquireUseRelease(
              Effect.map(ask("pg_try_advisory_lock"), ([row]) => row?.["got"] === true),
              (got): Effect.Effect<Option.Option<A>, E, R> =>
                got ? Effect.asSome(self) : Effect.succeedNone,
              (got) => (got ? Effect.ignore(ask("pg_advisory_unlock")) : Effect.void)
            )
          })
        ).pipe(Effect.ensuring(Effect.sync(() => submitting.delete(run))))
      })
  }
})
export type RunTables = Effect.Success<typeof make>
