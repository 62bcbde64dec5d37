/**
 * A fake HTTP service at the `HttpClient` seam: answers from a script, requests recorded. It tests everything above
 * the socket; for what crosses a socket, start a server.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ImageSource, segment } from "effect-segformer"
 * import { SegFormerHttp } from "effect-segformer/http"
 * import { FakeHttp, Fixtures } from "effect-segformer/testing"
 *
 * const service = SegFormerHttp.layer({ baseUrl: "http://fake", policy: { retry: false } }).pipe(
 *   Layer.provideMerge(FakeHttp.script([FakeHttp.json({ success: false, error: "no light" })]))
 * )
 * const program = Effect.flip(segment(ImageSource.bytes(Fixtures.image)))
 * const error = await Effect.runPromise(Effect.provide(program, service))
 * error._tag // => "ReportedFailure"
 * ```
 */
import { Context, type Duration, Effect, Layer, Stream } from "effect"
import {
  Headers,
  type HttpBody,
  HttpClient,
  HttpClientError,
  type HttpClientRequest,
  HttpClientResponse
} from "effect/http"
import { concat } from "../service/Body.ts"

/** What happens to one request: any effect may stand in a script. */
export type Outcome = (
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

export const respond =
  (options?: {
    readonly status?: number | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
    readonly body?: string | Uint8Array | undefined
  }): Outcome =>
  (request) => {
    const { body = "", headers = {}, status = 200 } = options ?? {}
    const bytes = typeof body === "string" ? body : Uint8Array.from(body)
    // A `Response` takes no body with these.
    const blob = status === 204 || status === 205 || status === 304 ? null : new Blob([bytes])
    return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(blob, { status, headers })))
  }

export const json = (
  value: unknown,
  options?: {
    readonly status?: number | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
  }
): Outcome =>
  respond({
    status: options?.status,
    headers: { "content-type": "application/json", ...options?.headers },
    body: JSON.stringify(value)
  })

/** The connection fails with a code of the system, `ECONNREFUSED` by default. */
export const refuse =
  (code = "ECONNREFUSED"): Outcome =>
  (request) =>
    Effect.fail(failed(request, Object.assign(new Error(`connect ${code}`), { code })))
/** Headers and some bytes arrive, then the connection breaks. */
export const breakBody =
  (after: string): Outcome =>
  (request) => {
    let sent = false
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent) controller.error(Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" }))
        else controller.enqueue(new TextEncoder().encode(after))
        sent = true
      }
    })
    return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body)))
  }
/** The outcome, after a while. */
export const delay =
  (duration: Duration.Input, outcome: Outcome): Outcome =>
  (request) =>
    Effect.delay(outcome(request), duration)
/** No answer at all. */
export const never: Outcome = () => Effect.never

/** One request, as the service would have seen it. */
export interface RecordedRequest {
  readonly method: string
  readonly url: string
  readonly headers: Headers.Headers
  /** The whole body. */
  readonly body: Uint8Array
}

/** What a fake service was asked, in order. */
export class Recorded extends Context.Service<
  Recorded,
  { readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>> }
>()("effect-segformer/testing/FakeHttp/Recorded") {}

/** An `HttpClient` whose requests end as the script says, one after the other. One beyond its end dies saying so. */
export const script = (outcomes: ReadonlyArray<Outcome>): Layer.Layer<HttpClient.HttpClient | Recorded> =>
  Layer.unwrap(
    Effect.sync(() => {
      const requests: Array<RecordedRequest> = []
      const client = HttpClient.make((request, url) =>
        Effect.flatMap(bodyOf(request, request.body), ({ body, type }) => {
          const outcome = outcomes[requests.length]
          const headers =
            type === undefined || "content-type" in request.headers
              ? request.headers
              : Headers.set(request.headers, "content-type", type)
          requests.push({ method: request.method, url: url.href, headers, body })
          return outcome === undefined
            ? Effect.die(
                new Error(
                  `The script has ${outcomes.length} outcomes, but was asked ${requests.length} times`
                )
              )
            : outcome(request)
        })
      )
      return Layer.merge(
        Layer.succeed(HttpClient.HttpClient, client),
        Layer.succeed(Recorded, { requests: Effect.sync(() => [...requests]) })
      )
    })
  )

const failed = (request: HttpClientRequest.HttpClientRequest, cause: unknown) =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })

/** What would be sent, and the type that only who sends it can tell. */
interface Sent {
  readonly body: Uint8Array
  readonly type?: string | undefined
}

const bodyOf = (
  request: HttpClientRequest.HttpClientRequest,
  body: HttpBody.HttpBody
): Effect.Effect<Sent, HttpClientError.HttpClientError> => {
  switch (body._tag) {
    case "Uint8Array":
      return Effect.succeed({ body: body.body })
    case "Stream":
      return Effect.mapBoth(Stream.runCollect(body.stream), {
        onSuccess: (chunks) => ({ body: concat(chunks) }),
        onFailure: (cause) => failed(request, cause)
      })
    case "FormData":
      return asFetch(request, body.formData)
    case "Raw":
      return isFetched(body.body)
        ? asFetch(request, body.body)
        : Effect.die(new Error("FakeHttp can only read a raw body that `fetch` would send"))
    case "Empty":
      return Effect.succeed({ body: new Uint8Array() })
  }
}

/** As `fetch` makes bytes of it, the boundary of a form included. */
const asFetch = (
  request: HttpClientRequest.HttpClientRequest,
  body: BodyInit
): Effect.Effect<Sent, HttpClientError.HttpClientError> =>
  Effect.tryPromise({
    try: async () => {
      const whole = new Response(body)
      const type = whole.headers.get("content-type") ?? undefined
      return { body: new Uint8Array(await whole.arrayBuffer()), type }
    },
    catch: (cause) => failed(request, cause)
  })

const isFetched = (body: unknown): body is BodyInit =>
  typeof body === "string" ||
  [ArrayBuffer, Blob, FormData, ReadableStream, URLSearchParams].some((kind) => body instanceof kind) ||
  ArrayBuffer.isView(body)
