/** The tables of the runs, as versions have made them one after the other. `RunTables` reads and writes them. */
import { Effect } from "effect"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import { DatabaseFailed } from "./ClusterError.ts"

const migrations = Migrator.fromRecord({
  "0001_runs": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE segformer_runs (
      id TEXT PRIMARY KEY,
      spec TEXT NOT NULL,
      fingerprint TEXT,
      prepared BOOLEAN NOT NULL DEFAULT FALSE,
      state TEXT NOT NULL DEFAULT 'running',
      reason TEXT,
      open BOOLEAN NOT NULL DEFAULT TRUE,
      epoch INT NOT NULL DEFAULT 0,
      chunks INT NOT NULL DEFAULT 0,
      images BIGINT NOT NULL DEFAULT 0,
      done BIGINT NOT NULL DEFAULT 0,
      repeated BIGINT NOT NULL DEFAULT 0,
      failed BIGINT NOT NULL DEFAULT 0,
      max_failures INT,
      created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
      finished_at TIMESTAMPTZ,
      results TEXT NOT NULL DEFAULT '[]'
    )`
    // The order of keys is that of their bytes, whatever the language of the database.
    yield* sql`CREATE TABLE segformer_images (
      run TEXT NOT NULL REFERENCES segformer_runs (id) ON DELETE CASCADE,
      key TEXT COLLATE "C" NOT NULL,
      location TEXT NOT NULL,
      chunk INT NOT NULL,
      settled_at TIMESTAMPTZ,
      content TEXT,
      receipt TEXT,
      tag TEXT,
      message TEXT,
      PRIMARY KEY (run, key)
    )`
    yield* sql`CREATE INDEX segformer_images_left ON segformer_images (run, chunk) WHERE settled_at IS NULL`
    yield* sql`CREATE INDEX segformer_images_content ON segformer_images (run, content) WHERE content IS NOT NULL`
    yield* sql`CREATE INDEX segformer_images_failed ON segformer_images (run, key) WHERE tag IS NOT NULL`
  }),
  // The engine does a chunk once, and a run's end, by their numbers. Each is given once, so that it is new to the engine
  // even where a run of the same name is forgotten. They begin above those that each run counted for itself before.
  "0002_numbers": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE SEQUENCE segformer_numbers AS INT START WITH 1000001`
    yield* sql`ALTER TABLE segformer_runs DROP COLUMN chunks, ALTER COLUMN epoch SET DEFAULT nextval('segformer_numbers')`
  }),
  // Who has begun a chunk: what nobody has is done by whoever has nothing else to do.
  "0003_chunks": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE segformer_chunks (
      run TEXT NOT NULL REFERENCES segformer_runs (id) ON DELETE CASCADE,
      chunk INT NOT NULL,
      holder TEXT,
      PRIMARY KEY (run, chunk)
    )`
    yield* sql`CREATE INDEX segformer_chunks_waiting ON segformer_chunks (run, chunk) WHERE holder IS NULL`
    // Of those that are there nobody knows whether they are begun.
    yield* sql`INSERT INTO segformer_chunks (run, chunk, holder)
      SELECT DISTINCT run, chunk, '' FROM segformer_images WHERE settled_at IS NULL`
  })
})

/** Makes the tables where they are missing. */
export const migrate: Effect.Effect<void, DatabaseFailed, SqlClient.SqlClient> = Migrator.make({})({
  loader: migrations,
  table: "segformer_migrations"
}).pipe(
  Effect.mapError(
    (error) => new DatabaseFailed({ operation: "make the tables of the runs", detail: error.message })
  ),
  Effect.asVoid
)
