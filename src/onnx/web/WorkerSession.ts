/**
 * One session as whoever gives it pictures sees it: two workers of the same module, one of which runs the model while the other
 * prepares the next picture and reads the last one.
 */
import * as BackgroundWorker from "../../BackgroundWorker.ts"
import type { Ending, Load, Picture, Session, SessionEvents, Unusable } from "../session/Session.ts"
import { messageOf } from "../../SystemError.ts"
import type { Assets, Backend, FromWorker, ToWorker } from "./Wire.ts"

export interface WorkerSessionOptions {
  /** Makes the worker, where a bundler or a policy of the page wants it made otherwise. */
  readonly worker?: BackgroundWorker.MakeWorker | undefined
  readonly assets?: Assets | undefined
  readonly backend?: Backend | undefined
  /** Milliseconds that a worker may take to say that it is there: a parameter, so that a test need not wait. */
  readonly patience?: number | undefined
}

/** As bundlers look for it. */
const makeWorker = () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" })

/** The same module where it is no bundle: Node has workers of another kind. */
const beside = "./worker.ts"

/** One picture in the model, one before it. */
const depth = 2

/** The address of a folder, whole: a worker would take a part for a part of its own. */
const folderOf = (assets: string): string => {
  const folder = assets.endsWith("/") ? assets : `${assets}/`
  const page = globalThis.document?.baseURI ?? globalThis.location?.href
  return page === undefined ? folder : new URL(folder, page).href
}

export const start = (
  options: WorkerSessionOptions,
  load: Load,
  events: SessionEvents,
  told: (reason: string | undefined) => void = () => {}
): Session => {
  let state: "loading" | "ready" | "ending" | "gone" = "loading"
  const pending: Array<{
    readonly number: number
    readonly begun: () => void
    readonly done: (ending: Ending) => void
  }> = []
  let model: BackgroundWorker.BackgroundWorker | undefined
  let around: BackgroundWorker.BackgroundWorker | undefined
  let sent = 0
  /** Takes what was not answered before the session ended. */
  let back: (pictures: ReadonlyMap<number, Picture>) => void = () => {}

  const keepAlive = (yes: boolean) => {
    model?.keepAlive(yes)
    around?.keepAlive(yes)
  }
  const settle = (ending: Ending) => {
    const first = pending.shift()
    if (pending.length === 0 && state === "ready") keepAlive(false)
    first?.done(ending)
  }
  /** What becomes of the rest is told when both are gone, and not before it returns: as of a process. */
  const leave = (rest: () => void) => {
    state = "gone"
    void Promise.allSettled([model?.end(), around?.end()]).then(() => {
      rest()
      events.gone()
    })
  }
  const end = (detail: string, reason: Unusable["reason"] = "model") => {
    if (state === "gone" || state === "ending") return
    if (state === "loading") return leave(() => events.unusable({ reason, detail }))
    back = (pictures) =>
      leave(() => {
        for (let inModel = true; pending.length > 0; inModel = false) {
          const picture = pictures.get(pending[0]!.number)
          settle(
            picture === undefined ? { _tag: "Failed", detail } : { _tag: "Died", detail, inModel, picture }
          )
        }
      })
    if (pending.length === 0) return back(new Map())
    state = "ending"
    // It may be in the middle of a run; the other one is never long at anything, and tells first what it has told before.
    void model?.end()
    around?.post({ type: "giveBack" } satisfies ToWorker)
  }
  const take = (message: FromWorker): void => {
    if (state === "gone") return
    switch (message.type) {
      case "ready":
        state = "ready"
        keepAlive(false)
        told(message.reason)
        return events.ready()
      case "unusable":
        return leave(() => events.unusable(message))
      case "begun":
        return pending.find(({ number }) => number === message.number)?.begun()
      case "done":
        return settle({ _tag: "Done", outcome: message.outcome })
      case "failed":
        return settle({ _tag: "Failed", detail: message.detail })
      case "broken":
        return end(`the runtime broke down (${message.detail})`)
      case "back":
        return back(message.pictures)
    }
  }

  const startOne = (): BackgroundWorker.BackgroundWorker => {
    const own = typeof Worker === "function" ? makeWorker : new URL(beside, import.meta.url)
    const starting = { module: BackgroundWorker.modules.model, patience: options.patience }
    const one = BackgroundWorker.start<FromWorker>(options.worker ?? own, starting, {
      message: take,
      broken: (detail, isThere) => {
        if (isThere) end(`the worker ended (${detail})`)
        else end(BackgroundWorker.notStarted("model", detail), "code")
        // With what it had, if it is that one.
        if (one === around && state === "ending") back(new Map())
      }
    })
    return one
  }
  try {
    model = startOne()
    around = startOne()
    const { expected, preprocessing, threads, weights } = load
    const { backend = "wasm" } = options
    const assets = typeof options.assets === "string" ? folderOf(options.assets) : options.assets
    const { port1, port2 } = new MessageChannel()
    const own = { weights, threads, expected, backend, assets }
    model.post({ type: "model", load: own, port: port1 } satisfies ToWorker, [port1])
    around.post({ type: "around", settings: { preprocessing, expected }, port: port2 } satisfies ToWorker, [
      port2
    ])
  } catch (cause) {
    end(BackgroundWorker.notStarted("model", messageOf(cause)), "code")
  }
  return {
    pid: undefined,
    room: () => (state === "ready" ? depth - pending.length : 0),
    predict: (picture, begun, done) => {
      const number = sent
      const { buffer, byteLength } = picture.data
      const whole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength
      keepAlive(true)
      try {
        // A part of something larger would take all of it along.
        const own = whole ? picture : { ...picture, data: new Uint8Array(picture.data) }
        around?.post({ type: "picture", picture: own } satisfies ToWorker, whole ? [buffer] : [])
      } catch (cause) {
        if (pending.length === 0) keepAlive(false)
        const detail = `its pixels cannot be sent (${messageOf(cause)})`
        queueMicrotask(() => done({ _tag: "Failed", detail }))
        return () => {}
      }
      sent++
      pending.push({ number, begun, done })
      return () => {
        if (state === "ready") around?.post({ type: "cancel", number } satisfies ToWorker)
      }
    },
    kill: () => end("it was ended")
  }
}
