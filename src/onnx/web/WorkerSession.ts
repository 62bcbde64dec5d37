/** One session in a worker, as whoever gives it pictures sees it. */
import * as BackgroundWorker from "../../BackgroundWorker.ts"
import type { Ending, Load, Session, SessionEvents } from "../session/Session.ts"
import type { Assets, Backend, FromWorker, ToWorker } from "./Wire.ts"

export interface WorkerSessionOptions {
  /** Makes the worker, where a bundler or a policy of the page wants it made otherwise. */
  readonly worker?: (() => Worker) | undefined
  readonly assets?: Assets | undefined
  readonly backend?: Backend | undefined
}

/** As bundlers look for it. */
const makeWorker = () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" })

/** The same module where it is no bundle: Node has workers of another kind. */
const beside = "./worker.ts"

export const start = (
  options: WorkerSessionOptions,
  load: Load,
  events: SessionEvents,
  told: (reason: string | undefined) => void = () => {}
): Session => {
  let state: "loading" | "ready" | "gone" = "loading"
  let pending: ((ending: Ending) => void) | undefined
  let worker: BackgroundWorker.BackgroundWorker | undefined

  const settle = (ending: Ending) => {
    const done = pending
    pending = undefined
    if (state === "ready") worker?.keepAlive(false)
    done?.(ending)
  }
  const end = (detail: string) => {
    if (state === "gone") return
    const was = state
    state = "gone"
    const gone = () => {
      if (was === "loading") events.unusable({ reason: "model", detail })
      settle({ _tag: "Died", detail, inModel: true })
      events.gone()
    }
    // Those who ended it are told after it returns, as of a process.
    void Promise.resolve(worker?.end()).then(gone, gone)
  }
  const take = (message: FromWorker): void => {
    if (state === "gone") return
    switch (message.type) {
      case "ready":
        state = "ready"
        worker?.keepAlive(false)
        told(message.reason)
        return events.ready()
      case "unusable": {
        state = "gone"
        const gone = () => {
          events.unusable(message)
          events.gone()
        }
        return void Promise.resolve(worker?.end()).then(gone, gone)
      }
      case "done":
        return settle({ _tag: "Done", outcome: message.outcome })
      case "failed":
        return settle({ _tag: "Failed", detail: message.detail })
      case "broken":
        return end(`the runtime broke down (${message.detail})`)
    }
  }

  const post = (message: ToWorker, transfer: ReadonlyArray<ArrayBuffer> = []) =>
    worker?.post(message, transfer)
  try {
    const own = typeof Worker === "function" ? makeWorker : new URL(beside, import.meta.url)
    const from = options.worker ?? own
    worker = BackgroundWorker.start<FromWorker>(from, {
      message: take,
      broken: (detail) => end(`the worker ended (${detail})`)
    })
    const { expected, preprocessing, threads, weights } = load
    const { assets, backend = "wasm" } = options
    post({ load: { weights, threads, preprocessing, expected, backend, assets } })
  } catch (cause) {
    end(`a worker for it cannot be started (${cause instanceof Error ? cause.message : String(cause)})`)
  }
  return {
    pid: undefined,
    room: () => (state === "ready" && pending === undefined ? 1 : 0),
    predict: (picture, begun, done) => {
      pending = done
      worker?.keepAlive(true)
      const { buffer, byteLength } = picture.data
      const whole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength
      begun()
      try {
        // A part of something larger would take all of it along.
        post(
          { picture: whole ? picture : { ...picture, data: new Uint8Array(picture.data) } },
          whole ? [buffer] : []
        )
      } catch (cause) {
        const detail = cause instanceof Error ? cause.message : String(cause)
        queueMicrotask(() => settle({ _tag: "Failed", detail: `its pixels cannot be sent (${detail})` }))
      }
      return () => {}
    },
    kill: () => end("it was ended")
  }
}
