/**
 * The two sides on which a server meets its callers: Node's own connections, or a `Request` of the web's standards wherever one
 * is handed on. All else is the same for both.
 */
import { Context, type Duration } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"

/** Is told of a body as it comes. After `whole` or `broken` it is told nothing more. */
export interface BodyListener {
  readonly take: (chunk: Uint8Array) => void
  readonly whole: () => void
  readonly broken: () => void
}

export interface Face {
  /** Reads a body. What it gives stops that: nothing more is taken in. */
  readonly read: (request: HttpServerRequest.HttpServerRequest, listener: BodyListener) => () => void
  /**
   * What became of whoever sent a request: still there, `gone`, or told by its own platform that it is too `late`; `undefined` where
   * nobody is there to be told so.
   */
  readonly caller: (request: HttpServerRequest.HttpServerRequest) => "there" | "gone" | "late" | undefined
  /** Ends an answer that its client takes slowly; `false` where none is, or where that is not known. */
  readonly cut: (request: HttpServerRequest.HttpServerRequest) => boolean
  /**
   * An answer on its way: from here on only the client can be slow, which it may be for `writeTimeout` at once, and after `grace`
   * as long as nobody else needs its place. The `last` one
   * of a connection says so. Of a refused request so many bytes are read on and dropped, that its client sees the answer.
   */
  readonly sent: (
    request: HttpServerRequest.HttpServerRequest,
    response: HttpServerResponse.HttpServerResponse,
    options: {
      readonly grace: Duration.Duration
      readonly last: boolean
      readonly maxLinger: number
      readonly writeTimeout: Duration.Duration
    }
  ) => HttpServerResponse.HttpServerResponse
}

/** The body of a request of the web's standards, whoever's class it is of: polyfills and frameworks have their own. */
const bodyOf = (source: object): ReadableStream<unknown> | null => {
  const { body, bodyUsed }: Partial<Pick<Request, "body" | "bodyUsed">> = source
  if (bodyUsed === true || body?.locked === true) {
    throw new Error("The body of this request was read before it came here: hand on a clone")
  }
  return body ?? null
}

/** A body's chunks, pulled one by one: none is asked for before the last was taken. What is no bytes breaks it. */
const readWeb: Face["read"] = ({ source }, { broken, take, whole }) => {
  const body = bodyOf(source)
  if (body === null) {
    queueMicrotask(whole)
    return () => {}
  }
  let stopped = false
  const reader = body.getReader()
  const pull = (): void => {
    reader.read().then(
      ({ done, value }) => {
        if (stopped) return
        if (done) return whole()
        if (!(value instanceof Uint8Array)) return broken()
        take(value)
        pull()
      },
      () => stopped || broken()
    )
  }
  pull()
  return () => {
    if (stopped) return
    stopped = true
    // Not cancelled: some platforms then break the connection before the answer is out. They drop what nobody reads.
    reader.releaseLock()
  }
}

/** How slow a client may be, and which answer is a connection's last, is the affair of whoever hands requests on. */
export const web: Face = {
  read: readWeb,
  caller: ({ source }) => {
    const { signal }: Partial<Pick<Request, "signal">> = source
    if (signal?.aborted !== true) return "there"
    // As `AbortSignal.timeout` says it.
    const reason: unknown = signal.reason
    return reason instanceof Error && reason.name === "TimeoutError" ? "late" : "gone"
  },
  cut: () => false,
  sent: (_, response) => response
}

/** The face of the server that a fiber answers for. */
export const Current = Context.Reference<Face>("effect-segformer/server/Face", { defaultValue: () => web })
