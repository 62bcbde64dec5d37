/** `segformer batch --db`: submits the images of a run to a database, and waits for what workers make of them. */
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { Duration, Effect, type Redacted, Stream } from "effect"
import type { RunStatus } from "../batch/cluster/ClusterRuns.ts"
import * as Backend from "./Backend.ts"
import type { Options as BatchOptions } from "./BatchCommand.ts"
import { sourceOf } from "./BatchRun.ts"
import * as ExitCode from "./ExitCode.ts"
import { limitsOf } from "./Flags.ts"
import * as Screen from "./Screen.ts"
import * as Words from "./Words.ts"
import * as WorkerFlags from "./WorkerFlags.ts"
import type { WorkerSpec } from "./WorkerSpec.ts"

type Options = BatchOptions & { readonly db: Redacted.Redacted }

/** Failures that are printed; `segformer runs failures` lists all of them. */
const mostPrinted = 20

/** Submits, then waits for the end of the run; interrupted, it leaves the run to the workers. */
export const run = (options: Options) =>
  Effect.scoped(submit(options)).pipe(Effect.provide(Backend.layerHttpClient(options)))

const submit = Effect.fnUntraced(function* (options: Options) {
  const { ClusterEngine, ClusterRuns } = yield* WorkerFlags.cluster
  const { items } = yield* sourceOf(options.source, options.out)
  const shards =
    options.shards ?? (yield* Effect.mapError(WorkerFlags.defaultShards, ExitCode.by(ExitCode.usage)))
  const client = ClusterEngine.layerClient({ database: options.db, shards })
  const settings = yield* Backend.settingsOf(options)
  const line = yield* Screen.progress(!options.quiet)
  const name = options.run ?? nameOf(options.out)
  let isSubmitted = false
  const end = yield* Effect.gen(function* () {
    const runs = yield* ClusterRuns.make
    yield* line.show("Submitting…")
    const { added, again } = yield* runs.submit({
      run: name,
      items,
      chunk: options.chunk ?? 100,
      spec: specOf(options, settings),
      maxFailures: options.maxFailures,
      retryFailed: options.retryFailed,
      allowChange: options.allowChange
    })
    isSubmitted = true
    if (!options.quiet && !options.json) {
      yield* line.clear
      yield* Screen.say(`${Screen.images(added + again)} submitted to the run "${Screen.plain(name)}"`)
    }
    if (options.detach) return yield* runs.status(name)
    const started = yield* runs.status(name)
    const begun = performance.now()
    const last = yield* runs.watch(name).pipe(
      Stream.tap((now) => line.show(progressLine(now, started, performance.now() - begun))),
      Stream.takeUntil(({ state }) => state === "paused"),
      Stream.runLast
    )
    const ended = last._tag === "Some" ? last.value : started
    yield* line.clear
    if (options.json) {
      yield* Stream.runForEach(runs.failures(name), (failure) =>
        Screen.say(
          JSON.stringify({ image: failure.key, error: { ...failure, message: Words.plain(failure.message) } })
        )
      )
    } else {
      const printed = Stream.take(runs.failures(name), mostPrinted)
      yield* Stream.runForEach(printed, ({ message }) => Screen.complain(message))
      if (ended.failed > mostPrinted) {
        yield* Screen.complain(`and ${ended.failed - mostPrinted} more: segformer runs failures ${name}`)
      }
    }
    return ended
  }).pipe(
    Effect.provide(client),
    Effect.mapError(WorkerFlags.ended),
    Effect.onInterrupt(() =>
      Effect.andThen(
        line.clear,
        Screen.stopped(
          isSubmitted
            ? ` waiting: the run "${name}" goes on without this process`
            : " before all images were submitted. The same command goes on from here"
        )
      )
    )
  )
  yield* line.clear
  yield* tell(end, options)
})

const tell = Effect.fnUntraced(function* (end: RunStatus, options: Options) {
  const { done, failed, images, reason, repeated, results, run, state } = end
  if (options.json) yield* Screen.say(JSON.stringify({ run, state, images, done, repeated, failed, results }))
  else if (!options.quiet && !options.detach) {
    const equal = repeated === 0 ? "" : `, ${repeated} of them equal to others`
    yield* Screen.say(`${done} of ${Screen.images(images)} done${equal}, ${failed} failed`)
    for (const path of results) yield* Screen.say(`  ${Screen.plain(path)}`)
  }
  if (options.detach) return
  if (state === "paused" || state === "cancelled") {
    const why = reason === undefined ? "" : `: ${reason}`
    const next =
      state === "cancelled"
        ? ""
        : reason === undefined
          ? `. It goes on by segformer runs resume ${run}`
          : ". Once that is mended, the same command goes on from here"
    return yield* ExitCode.failed(`the run "${run}" is ${state}${why}${next}`)
  }
  if (failed > 0) return yield* new ExitCode.Ended({ code: ExitCode.someFailed })
})

/** What the workers are told. Paths are those of the whole machine, which all of them must share. */
const specOf = (options: Options, settings: WorkerSpec["settings"]): WorkerSpec => {
  const { coco, csv, model, modelOutput, overlays, rank, threshold, url, variant } = options
  return {
    sinks: {
      out: resolve(options.out),
      overlays,
      coco,
      ...(csv === undefined ? {} : { csv }),
      ...(rank === undefined ? {} : { rank })
    },
    ...(url === undefined ? {} : { url }),
    ...(model === undefined ? {} : { model: existsSync(model) ? resolve(model) : model }),
    ...(variant === undefined ? {} : { variant }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(modelOutput === undefined ? {} : { modelOutput }),
    ...(settings === undefined ? {} : { settings }),
    limits: limitsOf(options)
  }
}

/** Results in different folders are different runs. */
const nameOf = (out: string): string => {
  const path = resolve(out)
  const digest = createHash("sha256").update(path).digest("hex").slice(0, 8)
  return `${path.split(/[\\/]/).findLast((part) => part !== "") ?? "run"}-${digest}`
}

const progressLine = (now: RunStatus, started: RunStatus, millis: number): string => {
  const settled = now.done + now.failed
  const rate = ((settled - started.done - started.failed) * 1000) / Math.max(1, millis)
  const left = rate > 0 ? Duration.format(Duration.seconds(Math.ceil((now.images - settled) / rate))) : ""
  return [
    `[${settled}/${now.images}]`,
    `${rate.toFixed(rate < 10 ? 1 : 0)} a second`,
    ...(left === "" ? [] : [`${left} left`]),
    ...(now.failed === 0 ? [] : [`${now.failed} failed`]),
    ...(now.state === "running" ? [] : [now.state])
  ].join("  ")
}
