/**
 * Sessions that share the work: pictures wait in line, each session takes the next when it has room.
 *
 * An interrupted picture leaves its caller at once. Where the model has not begun with it, it never does. A run that was
 * begun is left to end, since it is others' session too: within a bound that follows what pictures take here. One that
 * takes longer is given up as a last resort: a spare session is started, and only once that is loaded the other is killed.
 * That happens a few times a minute at most, so callers that come and go cannot keep the pool busy with loading.
 */
import { Effect, Predicate, type Scope } from "effect"
import { DependencyMissing } from "../../image/ImageError.ts"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import { CodeNotLoaded } from "../../service/CodeNotLoaded.ts"
import type { OnnxRuntime } from "../OnnxRuntime.ts"
import type { Load, Outcome, Picture, Session, Unusable } from "./Session.ts"

export interface SessionPoolOptions {
  readonly runtime: OnnxRuntime["Service"]
  readonly load: Load
  readonly sessions: number
  /** The least that the session of an interrupted picture may go on, in milliseconds, whatever pictures take here. */
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
  /** The pixels are handed over: they are nobody else's after it. */
  readonly predict: (picture: Picture) => Effect.Effect<Outcome, Lost | Unloadable>
  /** Sessions that are loaded, whether at work or not, and those that take the place of one that was. */
  readonly ready: Effect.Effect<number>
  /** Pictures that a model has begun with. */
  readonly running: Effect.Effect<number>
  /** Ids of the processes alive. */
  readonly pids: Effect.Effect<ReadonlyArray<number>>
}

interface Job {
  picture: Picture
  readonly done: (result: Effect.Effect<Outcome, PoolError>) => void
  /** Where it is; `undefined` while it waits in line. */
  session: Session | undefined
  /** Says to the session that nobody waits for it any more. */
  cancel: () => void
  /** When the model began with it, in milliseconds on the monotonic clock. */
  begun: number | undefined
  abandoned: boolean
}

/**
 * `spare`: loading, in the place of one that was ready. `ending`: given up, and at work until its spare is ready. `killed`:
 * its process is about to end.
 */
type State = "loading" | "spare" | "ready" | "ending" | "killed"

interface Member {
  state: State
  /** What it has been given, the picture in the model first. */
  readonly jobs: Array<Job>
}

/** How many times what the slowest picture took an interrupted run may take. */
const patience = 4

/** What is not known of larger pictures is given at most so long, in milliseconds. */
const longest = 60_000

/** Pictures of which the slowest is remembered. */
const remembered = 32

/** Sessions given up in a minute at most, and how long that is in milliseconds. */
const givenUp = { most: 3, within: 60_000 }

/** Keeps no program alive, where programs end by themselves. */
const later = (run: () => void, milliseconds: number): void => {
  const timer: unknown = setTimeout(run, milliseconds)
  if (Predicate.hasProperty(timer, "unref") && typeof timer.unref === "function") timer.unref()
}

/** Why no session can be had. */
type Unloadable = ModelNotLoadable | DependencyMissing | CodeNotLoaded

type PoolError = Lost | Unloadable

/** A pool whose sessions are loaded and warm. Its processes end with the scope. */
export const make = Effect.fnUntraced(function* (
  options: SessionPoolOptions
): Effect.fn.Return<SessionPool, Unloadable, Scope.Scope> {
  const { load, model, gracePeriod, runtime, sessions } = options
  const live = new Map<Session, Member>()
  const line: Array<Job> = []
  /** What the latest pictures took, in milliseconds, and their pixels. */
  const runs: Array<{ readonly took: number; readonly pixels: number }> = []
  /** When sessions were given up. */
  const ends: Array<number> = []
  let closed = false
  let onGone = () => {}

  const asError = ({ detail, reason }: Unusable): Unloadable =>
    reason === "model"
      ? new ModelNotLoadable({ model, detail })
      : reason === "code"
        ? new CodeNotLoaded({ detail })
        : new DependencyMissing({
            // Where there is no binary there is WebAssembly.
            packages: [reason === "platform" ? "onnxruntime-web" : runtime.package],
            purpose: "Running a model here",
            detail
          })

  /** Sessions take what waits, those with nothing to do before those that would only prepare it. */
  const pump = (): void => {
    for (const wanted of [2, 1]) {
      for (const [session, { state }] of live) {
        if (line.length === 0) return
        if (session.room() === wanted && state === "ready") assign(session, line.shift()!)
      }
    }
  }

  const pixelsOf = ({ picture }: Job): number => picture.width * picture.height

  const note = (job: Job): void => {
    if (job.begun === undefined) return
    runs.push({ took: performance.now() - job.begun, pixels: pixelsOf(job) })
    if (runs.length > remembered) runs.shift()
  }

  /** How long a run of this picture may take once nobody waits for it, in milliseconds. */
  const boundOf = (job: Job): number => {
    const slowest = runs.reduce((most, run) => (run.took > most.took ? run : most), { took: 0, pixels: 1 })
    const usual = patience * slowest.took
    return Math.max(gracePeriod, usual, Math.min(longest, (usual * pixelsOf(job)) / slowest.pixels))
  }

  const assign = (session: Session, job: Job): void => {
    const own = live.get(session)
    if (own === undefined) return
    job.session = session
    job.begun = undefined
    own.jobs.push(job)
    const begun = () => {
      job.begun = performance.now()
      if (job.abandoned) watch(job)
    }
    job.cancel = session.predict(job.picture, begun, (ending) => {
      own.jobs.splice(own.jobs.indexOf(job), 1)
      if (ending._tag === "Died" && !closed && (own.state === "killed" || !ending.inModel)) {
        // It only stood behind the one that the process ended for.
        job.session = undefined
        job.picture = ending.picture ?? job.picture
        if (!job.abandoned) line.unshift(job)
        return
      }
      if (ending._tag === "Done") note(job)
      job.done(
        ending._tag === "Done"
          ? Effect.succeed(ending.outcome)
          : Effect.fail({ _tag: "Lost", detail: ending.detail })
      )
      // One that was given up, and has ended all the same, stays.
      if (own.state === "ending") own.state = "ready"
      if (live.size > sessions) retire()
      pump()
    })
  }

  const start = (state: "loading" | "spare", started: (problem: Unusable | undefined) => void): void => {
    if (closed) return
    const own: Member = { state, jobs: [] }
    const session = runtime.start(load, {
      ready: () => {
        own.state = "ready"
        started(undefined)
        pump()
      },
      unusable: (problem) => {
        started(problem)
        // Nobody else will come for those that wait.
        if (live.size === 1) for (const job of line.splice(0)) job.done(Effect.fail(asError(problem)))
      },
      gone: () => {
        const wasReady = own.state === "ready" || own.state === "spare"
        live.delete(session)
        onGone()
        if (live.size === 0 && line.length > 0) start("loading", () => {})
        else if (wasReady) replace()
        pump()
      }
    })
    live.set(session, own)
  }

  /** In the place of one that died by itself, as often as others are given up: what killed it may kill the next. */
  const replace = (): void => {
    if (closed || live.size >= sessions) return
    const wait = waitToGiveUp()
    if (wait > 0) {
      later(replace, wait)
      return
    }
    ends.push(performance.now())
    start("spare", () => {})
  }

  /** Until one more session may be given up, in milliseconds. */
  const waitToGiveUp = (): number => {
    const now = performance.now()
    while (ends.length > 0 && now - ends[0]! >= givenUp.within) ends.shift()
    return ends.length < givenUp.most ? 0 : ends[0]! + givenUp.within - now
  }

  /** Kills a session as soon as another has taken its place, unless the model has ended with the picture by then. */
  const giveUp = (session: Session, own: Member, job: Job): void => {
    ends.push(performance.now())
    // What has taken so long may take so long again: the next is given more time.
    note(job)
    own.state = "ending"
    start("spare", (problem) => {
      if (problem !== undefined || !own.jobs.includes(job)) {
        // The spare is one too many, or none.
        if (own.state === "ending") own.state = "ready"
        watch(job)
        return retire()
      }
      own.state = "killed"
      session.kill()
    })
  }

  /** Ends a session with nothing to do where more are loaded than wanted: one that still loads takes nobody's place. */
  const retire = (): void => {
    for (const [session, own] of live) {
      const loaded = [...live.values()].filter(({ state }) => state === "ready" || state === "ending")
      if (loaded.length <= sessions) return
      if (own.jobs.length > 0 || own.state !== "ready") continue
      own.state = "killed"
      session.kill()
    }
  }

  const abandon = (job: Job): void => {
    job.abandoned = true
    const place = line.indexOf(job)
    if (place >= 0) line.splice(place, 1)
    job.cancel()
    watch(job)
  }

  /** Looks after a picture that nobody waits for once the model has begun with it, until it is out of the way. */
  const watch = (job: Job): void => {
    const { begun, session } = job
    const own = session === undefined ? undefined : live.get(session)
    if (session === undefined || begun === undefined || own?.state !== "ready" || !own.jobs.includes(job))
      return
    const left = begun + boundOf(job) - performance.now()
    const wait = left > 0 ? left : waitToGiveUp()
    if (wait > 0) later(() => watch(job), Math.min(wait, givenUp.within))
    else giveUp(session, own, job)
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
  const startLoaded = Effect.callback<void, Unloadable>((resume) => {
    start("loading", (problem) => resume(problem === undefined ? Effect.void : Effect.fail(asError(problem))))
  })
  yield* Effect.all(
    Array.from({ length: sessions }, () => startLoaded),
    { concurrency: "unbounded", discard: true }
  )
  return {
    predict: (picture) =>
      Effect.callback((resume) => {
        const job: Job = {
          picture,
          done: resume,
          session: undefined,
          cancel: () => {},
          begun: undefined,
          abandoned: false
        }
        line.push(job)
        pump()
        if (line.length > 0 && live.size < sessions) start("loading", () => {})
        return Effect.sync(() => abandon(job))
      }),
    ready: Effect.sync(() =>
      Math.min(
        sessions,
        [...live.values()].filter(({ state }) => state === "ready" || state === "ending" || state === "spare")
          .length
      )
    ),
    running: Effect.sync(() =>
      [...live.values()].reduce(
        (sum, { jobs }) => sum + jobs.filter(({ begun }) => begun !== undefined).length,
        0
      )
    ),
    pids: Effect.sync(() => [...live.keys()].flatMap(({ pid }) => (pid === undefined ? [] : [pid])))
  }
})
