/** A real Redis in a folder of its own, on a socket in that folder and a port of loopback. Tests over it need it (`Needs`). */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { rm } from "node:fs/promises"
import { connect } from "node:net"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { eventually } from "./Eventually.ts"
import { folder } from "./Folder.ts"
import { freePort } from "./TestServer.ts"

export interface RedisServer {
  /** The socket to connect to. */
  readonly path: string
  /** The same by its port. */
  readonly url: string
  /** Leaves every question unanswered, on connections that stay open. */
  readonly hang: Effect.Effect<void>
  /** Ends the process, as a crash would. */
  readonly stop: Effect.Effect<void>
  /** Starts another at the same place, with nothing in it. */
  readonly start: Effect.Effect<void>
}

export const isThere = (path: string): boolean => existsSync(path)

const isUp = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path)
    socket.once("connect", () => (socket.destroy(), resolve(true)))
    socket.once("error", () => resolve(false))
  })

export const make: Effect.Effect<RedisServer, never, Scope.Scope> = Effect.gen(function* () {
  const dir = yield* folder()
  const path = join(dir, "redis.sock")
  const port = yield* freePort
  let child: ReturnType<typeof spawn> | undefined
  const stop = Effect.promise(async () => {
    const ended = child
    child = undefined
    if (ended === undefined || ended.exitCode !== null) return
    const exit = once(ended, "exit")
    ended.kill("SIGKILL")
    await exit
    await rm(path, { force: true })
  })
  const start = Effect.suspend(() => {
    const place = ["--bind", "127.0.0.1", "--port", String(port), "--unixsocket", path, "--dir", dir]
    const memory = ["--save", "", "--appendonly", "no"]
    child = spawn("redis-server", [...place, ...memory], { stdio: "ignore" })
    return eventually(() => isUp(path), "Redis to listen")
  })
  yield* Effect.acquireRelease(start, () => stop)
  return {
    path,
    url: `redis://127.0.0.1:${port}`,
    start,
    stop,
    hang: Effect.sync(() => void child?.kill("SIGSTOP"))
  }
})
