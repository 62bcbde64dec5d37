/**
 * The engine: `effect/cluster` over PostgreSQL, with its workflow engine on top. Runners find each other in the
 * database, share out the shards among themselves, and take over those of a runner that is gone; nothing of that is
 * written here, only set.
 *
 * A runner is alive as long as its row in the database is renewed. Runners tell each other of new work over TCP; where
 * they cannot reach each other, work is found by asking the database, a few seconds later.
 */
import { networkInterfaces } from "node:os"
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import {
  ClusterWorkflowEngine,
  RunnerAddress,
  RunnerHealth,
  RunnerStorage,
  type Sharding,
  ShardingConfig,
  SocketRunner,
  SqlMessageStorage,
  SqlRunnerStorage
} from "effect/cluster"
import { RpcSerialization } from "effect/rpc"
import type { SqlClient } from "effect/sql"
import type { WorkflowEngine } from "effect/workflow"
import * as ClusterError from "./ClusterError.ts"
import * as RunMigrations from "./RunMigrations.ts"

/** What the engine gives: workflows, and the database they live in. */
export type Engine =
  | WorkflowEngine.WorkflowEngine
  | SqlClient.SqlClient
  | RunnerStorage.RunnerStorage
  | Sharding.Sharding

export interface DatabaseOptions {
  /** Such as `postgres://user:password@host/database`. PostgreSQL 14 or later; its user may make tables. */
  readonly database: Redacted.Redacted
  /** Connections of this process to the database. 5 by default; one of a runner's is kept for its locks. */
  readonly connections?: number | undefined
  /**
   * Into how many parts the work is divided; each belongs to one runner at a time. 300 by default, which is right for
   * up to about 60 runners. It must be the same for all processes of a database, and never change while there is work.
   */
  readonly shards?: number | undefined
  /**
   * How long a runner that says nothing keeps its work; it is also how long a killed one is waited for. 15 seconds by
   * default. Longer than any pause of the process: a runner that is merely slow must not be taken for dead.
   */
  readonly takeover?: Duration.Input | undefined
}

export interface RunnerOptions extends DatabaseOptions {
  /** By which other runners reach this one. The first address of this machine that is not loopback, by default. */
  readonly host?: string | undefined
  /** 34431 by default. */
  readonly port?: number | undefined
  /** Where this runner listens. At `host`, where that is an address of this machine, by default; else at all it has. */
  readonly listen?: string | undefined
  /** How much work this runner takes, compared with others. 1 by default. */
  readonly weight?: number | undefined
}

/** Chunks that a runner holds at most, waiting ones included: about 85 KiB each. More wait in the database. */
const residentChunks = 1000

const prefix = "segformer_cluster"

const config = (options: DatabaseOptions, runner: Partial<ShardingConfig.ShardingConfig["Service"]>) => {
  const takeover = Duration.fromInputUnsafe(options.takeover ?? "15 seconds")
  return ShardingConfig.layer({
    shardsPerGroup: options.shards ?? 300,
    shardLockExpiration: takeover,
    // The engine renews at least three times in that time.
    shardLockRefreshInterval: Duration.min(takeover, Duration.seconds(10)),
    refreshAssignmentsInterval: Duration.min(Duration.divideUnsafe(takeover, 5), Duration.seconds(3)),
    entityMessagePollInterval: Duration.min(Duration.divideUnsafe(takeover, 3), Duration.seconds(5)),
    maxResidentEntities: residentChunks,
    // What a runner that is told to stop has under way may end; what does not is done by another one.
    entityTerminationTimeout: Duration.min(takeover, Duration.seconds(5)),
    // Messages stay in this process: what another runner gets, it reads from the database.
    simulateRemoteSerialization: false,
    ...runner
  })
}

/** Host, port and name of a database: whatever may be a secret is left out. */
const placeOf = (address: Redacted.Redacted): string | undefined => {
  const text = Redacted.value(address)
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined || url.host === "" ? undefined : `${url.host}${url.pathname}`
}

/** Storage and pool below the engine, which is either a runner or a client. */
const over = (options: DatabaseOptions) => {
  const pool = PgClient.layer({
    url: options.database,
    maxConnections: options.connections ?? 5,
    applicationName: "segformer"
  })
  const database = placeOf(options.database)
  const unreachable = (operation: string, detail: string) =>
    new ClusterError.DatabaseFailed({ operation, detail, ...(database === undefined ? {} : { database }) })
  const tables = Layer.effectDiscard(
    Effect.mapError(RunMigrations.migrate, ({ detail, operation }) => unreachable(operation, detail))
  )
  return Layer.merge(
    SqlMessageStorage.layerWith({ prefix }).pipe(Layer.provide(NodeCrypto.layerDigest)),
    SqlRunnerStorage.layerWith({ prefix })
  ).pipe(
    // First of all: the engine takes a database that is not there for a mistake of the program.
    Layer.provideMerge(tables),
    Layer.provideMerge(pool),
    Layer.catchTag("SqlError", (error) =>
      Layer.effectContext(Effect.fail(unreachable("connect", error.message)))
    )
  )
}

/** For who submits and asks: takes no work. */
export const layerClient = (options: DatabaseOptions): Layer.Layer<Engine, ClusterError.DatabaseFailed> =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(Layer.provide(SocketRunner.layerClientOnly, NodeClusterSocket.layerClientProtocol)),
    Layer.provideMerge(over(options)),
    Layer.provide(config(options, { runnerAddress: Option.none() })),
    Layer.provide(RpcSerialization.layerSchemaBinary())
  )

/** For who works: takes its share of the shards, gives them up when its scope ends. */
export const layerRunner = (
  options: RunnerOptions
): Layer.Layer<Engine, ClusterError.DatabaseFailed | ClusterError.RunnerNotListening> => {
  const host = options.host ?? ownAddress()
  const port = options.port ?? 34431
  const listen = options.listen ?? listenAddress(host)
  return ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(
      Layer.provide(SocketRunner.layer, [
        NodeClusterSocket.layerSocketServer,
        NodeClusterSocket.layerClientProtocol,
        // The row in the database says who is alive, so runners behind firewalls are too.
        RunnerHealth.layerNoop
      ])
    ),
    Layer.provideMerge(over(options)),
    Layer.provide(
      config(options, {
        runnerAddress: Option.some(RunnerAddress.make(host, port)),
        runnerListenAddress: Option.some(RunnerAddress.make(listen, port)),
        runnerShardWeight: options.weight ?? 1
      })
    ),
    Layer.provide(RpcSerialization.layerSchemaBinary()),
    Layer.catchTag("SocketServerError", (error) =>
      Layer.effectContext(
        Effect.fail(
          new ClusterError.RunnerNotListening({ address: `${listen}:${port}`, detail: error.message })
        )
      )
    )
  )
}

const addresses = () => Object.values(networkInterfaces()).flatMap((found) => found ?? [])

const ownAddress = (): string =>
  addresses().find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1"

/** Runners ask each other for no password: the fewer addresses one listens at, the better. @internal */
export const listenAddress = (host: string): string =>
  addresses().some(({ address }) => address === host) ? host : host === "localhost" ? "127.0.0.1" : "0.0.0.0"
