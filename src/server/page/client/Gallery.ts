/**
 * The pictures of this visit and of those before: each is segmented in its turn, and what was found is kept, packed. One
 * that fails is nobody else's matter.
 */
import { segment } from "./Api.ts"
import { Failure } from "./Failure.ts"
import * as History from "./History.ts"
import type { Packed } from "./Result.ts"

export type State = "waiting" | "working" | "done" | "failed"

export interface Picture {
  /** Grows from picture to picture. */
  readonly id: string
  readonly file: File
  /** By the model that gave it. */
  readonly results: Map<string, Packed>
  state: State
  /** Asked, or to be asked; empty for the server's default. */
  model: string
  /** Why it failed. */
  problem: string | undefined
}

export interface GalleryEvents {
  readonly onChange: () => void
  readonly onBegin: (picture: Picture) => void
  readonly onDone: (picture: Picture, result: Packed) => void
  readonly onFail: (picture: Picture, error: unknown) => void
  /** The server is asked again in so many seconds. */
  readonly onWait: (picture: Picture, seconds: number, why: string) => void
}

export interface Gallery {
  readonly pictures: () => ReadonlyArray<Picture>
  readonly add: (files: ReadonlyArray<File>, model: string) => ReadonlyArray<Picture>
  /** Asks a model for a picture, before all others that wait. */
  readonly ask: (picture: Picture, model: string) => void
  /** Ends what is under way for a picture, or takes it from the queue. */
  readonly cancel: (picture: Picture) => void
  readonly remove: (picture: Picture) => void
  readonly clear: () => void
  /** What was kept, from the last visit. */
  readonly restore: () => Promise<void>
}

/** How often a server that is busy is asked again before a person is. */
const mostWaits = 5
/** The longest wait that is waited without a word from a person, in seconds. */
const longestWait = 60

export const make = (events: GalleryEvents): Gallery => {
  let pictures: ReadonlyArray<Picture> = []
  let queue: Array<Picture> = []
  let current: { readonly picture: Picture; readonly controller: AbortController } | undefined
  let last = Date.now()

  const keep = (picture: Picture) => {
    const { file, id, model, results } = picture
    void History.save({ id, name: file.name, type: file.type, file, results, model })
    // What has no room any more goes, the oldest first; what waits has no result yet.
    const done = pictures
      .filter((one) => one.results.size > 0)
      .map((one) => ({
        ...one,
        name: one.file.name,
        type: one.file.type,
        picture: one
      }))
    const stays = new Set(History.within(done.toReversed()).map((one) => one.picture))
    for (const one of done) if (!stays.has(one.picture) && one.picture !== picture) remove(one.picture)
  }

  const work = async (): Promise<void> => {
    if (current !== undefined) return
    const picture = queue.shift()
    if (picture === undefined) return
    const controller = new AbortController()
    current = { picture, controller }
    picture.state = "working"
    events.onBegin(picture)
    events.onChange()
    try {
      const result = await asked(picture, controller.signal)
      if (!controller.signal.aborted) {
        picture.results.set(result.model, result)
        picture.model = result.model
        settle(picture, "done", undefined)
        keep(picture)
        events.onDone(picture, result)
      }
    } catch (error) {
      if (!controller.signal.aborted) {
        settle(picture, "failed", error instanceof Error ? error.message : String(error))
        events.onFail(picture, error)
      }
    }
    current = undefined
    void work()
  }

  const settle = (picture: Picture, state: State, problem: string | undefined) => {
    picture.state = state
    picture.problem = problem
    events.onChange()
  }

  /** A server that says when to come again is asked again then. */
  const asked = async (picture: Picture, signal: AbortSignal): Promise<Packed> => {
    for (let waits = 0; ; waits++) {
      try {
        return await segment(picture.file, picture.model, signal)
      } catch (error) {
        if (signal.aborted || !(error instanceof Failure) || error.retryAfter === undefined) throw error
        if (waits === mostWaits || error.retryAfter > longestWait) throw error
        const seconds = Math.max(1, error.retryAfter)
        events.onWait(picture, seconds, error.message)
        await sleep(seconds * 1000, signal)
      }
    }
  }

  const ask = (picture: Picture, model: string, first: boolean) => {
    cancel(picture)
    picture.model = model
    picture.state = "waiting"
    picture.problem = undefined
    if (first) queue.unshift(picture)
    else queue.push(picture)
    events.onChange()
    void work()
  }

  const cancel = (picture: Picture) => {
    queue = queue.filter((one) => one !== picture)
    if (current?.picture === picture) {
      current.controller.abort()
      current = undefined
      void Promise.resolve().then(work)
    }
    if (picture.state === "working" || picture.state === "waiting") {
      settle(
        picture,
        picture.results.size > 0 ? "done" : "failed",
        picture.results.size > 0 ? undefined : "It was cancelled."
      )
    }
  }

  const remove = (picture: Picture) => {
    cancel(picture)
    pictures = pictures.filter((one) => one !== picture)
    void History.remove(picture.id)
    events.onChange()
  }

  return {
    pictures: () => pictures,
    add: (files, model) => {
      const added = files.map((file): Picture => {
        last = Math.max(Date.now(), last + 1)
        return {
          id: String(last),
          file,
          results: new Map(),
          state: "waiting",
          model,
          problem: undefined
        }
      })
      pictures = [...pictures, ...added]
      for (const picture of added) ask(picture, model, false)
      return added
    },
    ask: (picture, model) => ask(picture, model, true),
    cancel,
    remove,
    clear: () => {
      for (const picture of pictures) cancel(picture)
      pictures = []
      void History.clear()
      events.onChange()
    },
    restore: async () => {
      const kept = await History.load()
      const before = kept.map(({ file, id, model, name, results, type }): Picture => ({
        id,
        file: new File([file], name, { type }),
        results: new Map(results),
        state: "done",
        model,
        problem: undefined
      }))
      pictures = [...before, ...pictures]
      events.onChange()
    }
  }
}

const sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener("abort", () => {
      clearTimeout(timer)
      reject(new DOMException("Cancelled", "AbortError"))
    })
  })
