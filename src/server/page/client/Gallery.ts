/**
 * The pictures of this visit and of those before: each is segmented in its turn, and what was found is kept, packed. One
 * that fails is nobody else's matter.
 */
import { segment } from "./Api.ts"
import { Failure } from "./Failure.ts"
import * as History from "./History.ts"
import type { Packed } from "./Result.ts"
import { messageOf } from "./Text.ts"

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
  /** There was no room for it any more. */
  readonly onDrop: (picture: Picture) => void
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

  /** What waits and would be lost with the tab. */
  const unkept = new Set<Picture>()

  const keep = async (picture: Picture): Promise<void> => {
    const isKept = await History.save(keptOf(picture))
    // It may be gone by now.
    if (!pictures.includes(picture)) return History.remove(picture.id)
    if (isKept) unkept.delete(picture)
  }

  const newestDone = () => pictures.filter(({ results }) => results.size > 0).toReversed()

  /** What has no room any more goes, the oldest first. */
  const dropOld = (but: Picture) => {
    const done = newestDone()
    const stays = new Set(History.within(done.map(keptOf)).map(({ id }) => id))
    for (const one of done) {
      if (stays.has(one.id) || one === but) continue
      remove(one)
      events.onDrop(one)
    }
  }

  /** What waits, or has failed, is kept too, as far as there is room beside what is done. */
  const keepOthers = (added: ReadonlyArray<Picture>) => {
    const others = pictures.filter(({ results }) => results.size === 0)
    const stays = new Set(History.within([...newestDone(), ...others].map(keptOf)).map(({ id }) => id))
    for (const picture of added) {
      unkept.add(picture)
      if (stays.has(picture.id)) void keep(picture)
    }
  }

  const isPending = ({ state }: Picture): boolean => state === "waiting" || state === "working"

  addEventListener("beforeunload", (event) => {
    if (pictures.some((picture) => isPending(picture) && unkept.has(picture))) event.preventDefault()
  })

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
        void keep(picture)
        dropOld(picture)
        events.onDone(picture, result)
      }
    } catch (error) {
      if (!controller.signal.aborted) {
        settle(picture, "failed", messageOf(error))
        events.onFail(picture, error)
      }
    }
    // One that was taken away has left its place to the next.
    if (current?.controller !== controller) return
    current = undefined
    void work()
  }

  const settle = (picture: Picture, state: State, problem: string | undefined) => {
    picture.state = state
    picture.problem = problem
    if (state === "failed" && pictures.includes(picture)) keepOthers([picture])
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
    withdraw(picture)
    const isAgain = picture.state === "failed"
    picture.model = model
    picture.state = "waiting"
    picture.problem = undefined
    if (isAgain) keepOthers([picture])
    if (first) queue.unshift(picture)
    else queue.push(picture)
    events.onChange()
    void work()
  }

  const withdraw = (picture: Picture) => {
    queue = queue.filter((one) => one !== picture)
    if (current?.picture === picture) {
      current.controller.abort()
      current = undefined
      void Promise.resolve().then(work)
    }
  }

  const cancel = (picture: Picture) => {
    withdraw(picture)
    if (!isPending(picture)) return
    if (picture.results.size > 0) settle(picture, "done", undefined)
    else settle(picture, "failed", "It was cancelled.")
  }

  const remove = (picture: Picture) => {
    pictures = pictures.filter((one) => one !== picture)
    cancel(picture)
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
      keepOthers(added)
      for (const picture of added) ask(picture, model, false)
      return added
    },
    ask: (picture, model) => ask(picture, model, true),
    cancel,
    remove,
    clear: () => {
      const before = pictures
      pictures = []
      for (const picture of before) cancel(picture)
      void History.clear()
      events.onChange()
    },
    restore: async () => {
      const kept = await History.load()
      // What came in meanwhile is kept already.
      const known = new Set(pictures.map(({ id }) => id))
      const before = kept.filter(({ id }) => !known.has(id)).map(pictureOf)
      pictures = [...before, ...pictures]
      for (const picture of before) if (isPending(picture)) ask(picture, picture.model, false)
      events.onChange()
    }
  }
}

const keptOf = ({ file, id, model, problem, results }: Picture): History.Kept => ({
  id,
  name: file.name,
  type: file.type,
  file,
  results,
  model,
  problem,
  tab: History.tab()
})

const pictureOf = ({ file, id, model, name, problem, results, type }: History.Kept): Picture => ({
  id,
  file: new File([file], name, { type }),
  results: new Map(results),
  state: results.size > 0 ? "done" : problem === undefined ? "waiting" : "failed",
  model,
  problem
})

const sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener("abort", () => {
      clearTimeout(timer)
      reject(new DOMException("Cancelled", "AbortError"))
    })
  })
