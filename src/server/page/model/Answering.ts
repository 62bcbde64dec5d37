/** How a worker of the page is asked, and answers: each question has a number, and may be taken back. */
import { Effect, Exit, type Fiber } from "effect"
import { HttpServerResponse } from "effect/http"
import type { ModelServer } from "./ModelServer.ts"
import { messageOf } from "../../../SystemError.ts"

interface Question {
  readonly id: number
  readonly isOver?: true
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Blob | undefined
}

const uploaded = async (body: Question["body"]) =>
  body instanceof Blob
    ? {
        name: body instanceof File ? body.name : "image",
        bytes: new Uint8Array(await body.arrayBuffer())
      }
    : body

const refuse = (id: number, status: number, message: string): void => {
  const body = new TextEncoder().encode(JSON.stringify({ error: { tag: "Unavailable", message } })).buffer
  postMessage({ id, status, headers: { "content-type": "application/json" }, body }, { transfer: [body] })
}

/** Answers from now on. What answers is started with the first question, and anew where that failed. */
export const serve = (start: () => Promise<ModelServer>): void => {
  let started: Promise<ModelServer> | undefined
  const working = new Map<number, Fiber.Fiber<unknown>>()
  /** Those that nobody waits for any more, of which nothing was begun. */
  const over = new Set<number>()

  const answer = async ({ body, id, ...question }: Question): Promise<void> => {
    const file = await uploaded(body)
    const server = await (started ??= start())
    if (over.delete(id)) return
    const fiber = Effect.runFork(
      Effect.flatMap(server({ ...question, body: file }), (response) =>
        Effect.promise(async () => {
          const web = HttpServerResponse.toWeb(response)
          const bytes = await web.arrayBuffer()
          const headers = Object.fromEntries(web.headers)
          postMessage({ id, status: web.status, headers, body: bytes }, { transfer: [bytes] })
        })
      )
    )
    working.set(id, fiber)
    fiber.addObserver((exit) => {
      working.delete(id)
      if (Exit.isFailure(exit) && !Exit.hasInterrupts(exit)) refuse(id, 500, "The page's model failed")
    })
  }

  addEventListener("message", ({ data }: MessageEvent<Question>) => {
    if (data.isOver === true) {
      const fiber = working.get(data.id)
      if (fiber === undefined) over.add(data.id)
      else fiber.interruptUnsafe()
      return
    }
    answer(data).catch((error: unknown) => {
      started = undefined
      refuse(data.id, 503, `The model does not load: ${messageOf(error)}`)
    })
  })
}
