/** `/v1` by a worker of this browser, which is started when something is first asked. */
import type { Asked } from "./Asked.ts"
import * as Offline from "./Offline.ts"
import * as Workers from "./Workers.ts"

/** What the worker says of a question. */
interface Answer {
  readonly id: number
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ArrayBuffer
}

interface Waiting {
  readonly answer: (response: Response) => void
  readonly fail: (error: Error) => void
}

const waiting = new Map<number, Waiting>()
let last = 0
let started: Promise<Worker> | undefined

const start = async (): Promise<Worker> => {
  // What the worker loads is kept on the way.
  await Offline.ready
  const worker = Workers.start("ModelWorker")
  worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
    const { body, headers, id, status } = data
    waiting.get(id)?.answer(new Response(body, { status, headers }))
    waiting.delete(id)
  })
  worker.addEventListener("error", ({ message }) => {
    // The next question starts another one.
    started = undefined
    worker.terminate()
    for (const { fail } of waiting.values()) fail(new Error(message))
    waiting.clear()
  })
  return worker
}

export const ask = async ({ signal, ...asked }: Asked): Promise<Response> => {
  const worker = await (started ??= start())
  signal?.throwIfAborted()
  const id = last++
  return new Promise((answer, fail) => {
    waiting.set(id, { answer, fail })
    signal?.addEventListener("abort", () => {
      if (!waiting.delete(id)) return
      worker.postMessage({ id, isOver: true }, [])
      fail(new DOMException("Cancelled", "AbortError"))
    })
    worker.postMessage({ id, ...asked }, [])
  })
}
