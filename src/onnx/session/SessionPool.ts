/**
 * Sessions that share the work: pictures wait in line, each session takes the next when it has room.
 *
 * An interrupted picture leaves its caller at once. Its session is left to finish for a moment, because a new one
 * takes a quarter of a second to start; one that takes longer is killed and replaced. So there are never more
 * processes than sessions, and none works for nobody for long.
 */
import { Effect, type Scope } from "effect"
import { DependencyMissing } from "../../image/ImageError.ts"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import type { Load, Unusable } from "./Frames.ts"
import * as SessionProcess from "./SessionProcess.ts"

export interface SessionPoolOptions {
  readonly load: Load
  readonly sessions: number
  /** How long the session of an interrupted picture may go on, in milliseconds. */
  readonly gracePeriod: number
  /** What errors call the model. */
  readonly model: string
}

/** A picture was lost: the model failed on it, or its process ended. */
export interface Lost {
  readonly _tag: "Lost"
  readonly detail: string
}

export interface SessionPool {
  readonly predict: (
    picture: SessionProcess.Picture
  ) => Effect.Effect<SessionProcess.Outcome, Lost | ModelNotLoadable | DependencyMissing>
  /** Sessions that are loaded, whether at work or not. */
  readonly ready: Effect.Effect<number>
  /** Ids of the processes alive. */
  readonly pids: Effect.Effect<ReadonlyArray<number>>
}

interface Job {
  readonly picture: SessionProcess.Picture
  readonly done: (result: Effect.Effect<SessionProcess.Outcome, PoolError>) => void
  /** Where it is; `undefined` while it waits in line. */
  session: SessionProcess.SessionProcess | undefined
  abandoned: boolean
}

type PoolError = Lost | ModelNotLoadable | DependencyMissing

/** A pool whose sessions are loaded and warm. Its processes end with the scope. */
export const make = Effect.fnUntraced(function* (
  options: SessionPoolOptions
): Effect.fn.Return<SessionPool, ModelNotLoadable | DependencyMissing, Scope.Scope> {
  const { load, model, gracePeriod, sessions } = options
  const live = new Map<SessionProcess.SessionProcess, "loading" | "ready" | "killed">()
  /** What each has been given, the picture in the model first. */
  const queues = new Map<SessionProcess.SessionProcess, Array<Job>>()
  const line: Array<Job> = []
  let closed = false
  let onGone = () => {}

  const asError = ({ detail, reason }: Unusable): ModelNotLoadable | DependencyMissing =>
    reason === "runtime"
      ? new DependencyMissing({ packages: ["onnxruntime-node"], purpose: "Running a model here", detail })
      : new ModelNotLoadable({ model, detail })

  /** Sessions take what waits, those with nothing to do before those that would only prepare it. */
  const pump = (): void => {
    for (const wanted of [2, 1]) {
      for (const session of live.keys()) {
        if (line.length === 0) return
        if (session.room() === wanted && live.get(session) !== "killed") assign(session, line.shift()!)
      }
    }
  }

  const assign = (session: SessionProcess.SessionProcess, job: Job): void => {
    job.session = session
    const jobs = queues.get(session) ?? []
    queues.set(session, jobs)
    jobs.push(job)
    session.predict(job.picture, (ending) => {
      jobs.splice(jobs.indexOf(job), 1)
      const wasKilled = live.get(session) === "killed"
      if (ending._tag === "Died" && !closed && (wasKilled || !ending.inModel)) {
        // It only stood behind the one that the process ended for.
        job.session = undefined
        if (!job.abandoned) line.unshift(job)
        return
      }
      job.done(
        ending._tag === "Done"
          ? Effect.succeed(ending.outcome)
          : Effect.fail({ _tag: "Lost", detail: ending.detail })
      )
      pump()
    })
  }

  const start = (started: (problem: Unusable | undefined) => void): void => {
    if (closed) return
    const session = SessionProcess.start(load, {
      ready: () => {
        live.set(session, "ready")
        started(undefined)
        pump()
      },
      unusable: (problem) => {
        started(problem)
        // Nobody else will come for those that wait.
        if (live.size === 1) for (const job of line.splice(0)) job.done(Effect.fail(asError(problem)))
      },
      gone: () => {
        const killed = live.get(session) === "killed"
        live.delete(session)
        queues.delete(session)
        onGone()
        // One that died by itself is replaced only for work that waits: what killed it may kill the next.
        if (killed || (live.size === 0 && line.length > 0)) start(() => {})
        pump()
      }
    })
    live.set(session, "loading")
  }

  const abandon = (job: Job): void => {
    job.abandoned = true
    const place = line.indexOf(job)
    if (place >= 0) line.splice(place, 1)
    const { session } = job
    if (session === undefined) return
    const check = () => {
      const place = queues.get(session)?.indexOf(job) ?? -1
      if (place === 0) {
        live.set(session, "killed")
        session.kill()
      } else if (place > 0) {
        // Somebody else's picture is in the model.
        setTimeout(check, gracePeriod).unref()
      }
    }
    setTimeout(check, gracePeriod).unref()
  }

  yield* Effect.addFinalizer(() =>
    Effect.callback<void>((resume) => {
      closed = true
      onGone = () => {
        if (live.size === 0) resume(Effect.void)
      }
      for (const session of live.keys()) session.kill()
      onGone()
    })
  )
  const startLoaded = Effect.callback<void, ModelNotLoadable | DependencyMissing>((resume) => {
    start((problem) => resume(problem === undefined ? Effect.void : Effect.fail(asError(problem))))
  })
  yield* Effect.all(
    Array.from({ length: sessions }, () => startLoaded),
    { concurrency: "unbounded", discard: true }
  )
  return {
    predict: (picture) =>
      Effect.callback((resume) => {
        const job: Job = { picture, done: resume, session: undefined, abandoned: false }
        line.push(job)
        pump()
        if (line.length > 0 && live.size < sessions) start(() => {})
        return Effect.sync(() => abandon(job))
      }),
    ready: Effect.sync(() => [...live.values()].filter((state) => state === "ready").length),
    pids: Effect.sync(() => [...live.keys()].flatMap(({ pid }) => (pid === undefined ? [] : [pid])))
  }
})
