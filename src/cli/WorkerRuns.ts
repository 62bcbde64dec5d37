/** `segformer runs`, at work. */
import { Effect, Stream } from "effect"
import type { RunStatus } from "../batch/cluster/ClusterRuns.ts"
import * as Screen from "./Screen.ts"
import * as Words from "./Words.ts"
import * as WorkerFlags from "./WorkerFlags.ts"
import type { Options } from "./WorkerRunsCommand.ts"

export const run = Effect.fnUntraced(function* (options: Options) {
  const { action, json } = options
  const { ClusterEngine, ClusterRuns } = yield* WorkerFlags.cluster
  const client = ClusterEngine.layerClient({ database: options.db, shards: options.shards })
  const show = (found: ReadonlyArray<RunStatus>) =>
    Effect.forEach(json ? found.map((status) => JSON.stringify(status)) : table(found), Screen.say, {
      discard: true
    })
  yield* Effect.gen(function* () {
    const runs = yield* ClusterRuns.make
    const { run } = options
    if (action === "list" || run === undefined) return yield* show(yield* runs.list)
    if (action === "failures") {
      return yield* Stream.runForEach(runs.failures(run), (failure) =>
        Screen.say(
          json
            ? JSON.stringify({ ...failure, message: Words.plain(failure.message) })
            : `${Screen.plain(failure.key)}: ${Screen.plain(Words.plain(failure.message))}`
        )
      )
    }
    const status = yield* action === "forget" ? runs.status(run) : runs[action](run)
    if (action === "forget") yield* runs.remove(run)
    yield* show([status])
    if (status.reason !== undefined && !json) yield* Screen.say(Screen.plain(status.reason))
  }).pipe(Effect.provide(client), Effect.mapError(WorkerFlags.ended))
})

const table = (runs: ReadonlyArray<RunStatus>): ReadonlyArray<string> =>
  runs.length === 0
    ? ["There are no runs"]
    : Screen.table(
        ["run", "state", "images", "done", "failed", "begun"],
        runs.map(({ createdAt, done, failed, images, isOpen, run, state }) => ({
          cells: [
            Screen.plain(run),
            isOpen ? `${state}, being submitted` : state,
            String(images),
            String(done),
            String(failed),
            createdAt.toISOString().slice(0, 16).replace("T", " ")
          ]
        }))
      )
