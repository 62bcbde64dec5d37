/**
 * A web handler behind AWS Lambda: events of function URLs and of HTTP APIs (format 2.0) as a `Request`, and the `Response` as
 * what Lambda takes, whole or in pieces as they come.
 *
 * ```ts
 * import { Lambda } from "effect-segformer/server"
 *
 * const handler = Lambda.buffered(async (request) => new Response(`${request.method} ${new URL(request.url).pathname}`))
 * const event = { rawPath: "/health", requestContext: { http: { method: "GET" }, domainName: "abc.lambda-url.eu-north-1.on.aws" } }
 * const { body, statusCode } = await handler(event)
 * body // => "R0VUIC9oZWFsdGg="
 * statusCode // => 200
 * ```
 */
import * as Base64 from "../service/Base64.ts"
import type { WebHandler } from "./WebHandler.ts"

/** What is read of an event. */
export interface Event {
  readonly rawPath: string
  readonly rawQueryString?: string | undefined
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  readonly cookies?: ReadonlyArray<string> | undefined
  readonly body?: string | undefined
  readonly isBase64Encoded?: boolean | undefined
  readonly requestContext: {
    readonly domainName?: string | undefined
    readonly http: { readonly method: string; readonly sourceIp?: string | undefined }
  }
}

/** What is read of the context: how long is left, in milliseconds. */
export interface LambdaContext {
  readonly getRemainingTimeInMillis?: (() => number) | undefined
}

/** The status and the headers of an answer, as Lambda has them. */
export interface Prelude {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly cookies: ReadonlyArray<string>
}

/** An answer that is whole. */
export interface Result extends Prelude {
  /** In base64. */
  readonly body: string
  readonly isBase64Encoded: true
}

/** What a function is left to say that it ran out of time, in milliseconds. */
const margin = 500

const requestOf = (event: Event, signal: AbortSignal): Request => {
  const { http }: Partial<Event["requestContext"]> = event.requestContext ?? {}
  if (http === undefined) {
    throw new TypeError(
      "This event is none of a function URL or of an HTTP API in format 2.0: those of REST APIs and load balancers are others"
    )
  }
  const headers = new Headers()
  for (const [name, value] of Object.entries(event.headers ?? {})) {
    if (value !== undefined) headers.set(name, value)
  }
  if (event.cookies !== undefined && event.cookies.length > 0) headers.set("cookie", event.cookies.join("; "))
  const host = event.requestContext.domainName ?? headers.get("host") ?? "localhost"
  const query =
    event.rawQueryString === undefined || event.rawQueryString === "" ? "" : `?${event.rawQueryString}`
  const hasBody = http.method !== "GET" && http.method !== "HEAD" && event.body !== undefined
  const given = event.isBase64Encoded === true ? Base64.decode(event.body ?? "") : event.body
  const body =
    hasBody && given !== undefined ? { body: typeof given === "string" ? given : Uint8Array.from(given) } : {}
  return new Request(`https://${host}${event.rawPath}${query}`, {
    method: http.method,
    headers,
    signal,
    ...body
  })
}

const preludeOf = ({ headers, status }: Response): Prelude => ({
  statusCode: status,
  headers: Object.fromEntries([...headers].filter(([name]) => name !== "set-cookie")),
  cookies: headers.getSetCookie()
})

const outOfTime = () => new DOMException("The time of this function is nearly over", "TimeoutError")

/** Asks the handler; what is not done shortly before the function's time is over is aborted. */
const answered = async <A>(
  handler: WebHandler,
  event: Event,
  context: LambdaContext | undefined,
  use: (response: Response) => Promise<A>
): Promise<A> => {
  const left = context?.getRemainingTimeInMillis?.()
  const late = new AbortController()
  const timer =
    left === undefined ? undefined : setTimeout(() => late.abort(outOfTime()), Math.max(0, left - margin))
  try {
    const request = requestOf(event, late.signal)
    const address = event.requestContext.http.sourceIp
    return await use(await handler(request, { address }))
  } finally {
    clearTimeout(timer)
  }
}

/** The function of an answer at once: of at most 6 MB, as Lambda takes it. */
export const buffered =
  (handler: WebHandler) =>
  (event: Event, context?: LambdaContext): Promise<Result> =>
    answered(handler, event, context, async (response) => ({
      ...preludeOf(response),
      body: Base64.encode(new Uint8Array(await response.arrayBuffer())),
      isBase64Encoded: true
    }))

/** A stream of Node's, as far as answers are written to it. */
export interface ResponseStream {
  readonly write: (chunk: Uint8Array) => boolean
  readonly end: () => void
  readonly once: (event: "close" | "drain", listener: () => void) => unknown
  readonly destroy: (error?: Error) => unknown
}

/** What Lambda's runtime puts into its global `awslambda`. */
export interface Streaming {
  readonly streamifyResponse: <F>(
    handler: (event: Event, stream: ResponseStream, context: LambdaContext) => Promise<void>
  ) => F
  readonly HttpResponseStream: { readonly from: (stream: ResponseStream, prelude: Prelude) => ResponseStream }
}

/** The function of an answer in pieces, where the function URL's mode is `RESPONSE_STREAM`. `runtime` is the global `awslambda`. */
export const streaming = <F>(handler: WebHandler, runtime: Streaming): F =>
  runtime.streamifyResponse<F>((event, stream, context) =>
    answered(handler, event, context, async (response) => {
      const out = runtime.HttpResponseStream.from(stream, preludeOf(response))
      const reader = response.body?.getReader()
      let closed = false
      out.once("close", () => {
        closed = true
        reader?.cancel().catch(() => {})
      })
      try {
        for (;;) {
          const next = await reader?.read()
          if (next === undefined || next.done || closed) break
          if (!out.write(next.value)) {
            await new Promise<void>((resolve) => {
              out.once("drain", resolve)
              out.once("close", resolve)
            })
          }
        }
        out.end()
      } catch (error) {
        // An answer that breaks must not look whole.
        out.destroy(error instanceof Error ? error : new Error(String(error)))
      }
    })
  )
