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

/** What happens to one request. */
export type Outcome =
  | {
      readonly _tag: "Respond"
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string | Uint8Array
    }
  | { readonly _tag: "Refuse"; readonly code: string }
  | { readonly _tag: "BreakBody"; readonly after: Uint8Array }
  | { readonly _tag: "Delay"; readonly duration: Duration.Input; readonly outcome: Outcome }
  | { readonly _tag: "Never" }

export const respond = (options?: {
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | Uint8Array | undefined
}): Outcome => ({
  _tag: "Respond",
  status: options?.status ?? 200,
  headers: options?.headers ?? {},
  body: options?.body ?? ""
})

export const json = (
  value: unknown,
  options?: { readonly status?: number; readonly headers?: Record<string, string> }
): Outcome =>
  respond({
    status: options?.status,
    headers: { "content-type": "application/json", ...options?.headers },
    body: JSON.stringify(value)
  })

/** The connection fails with a code of the system, `ECONNREFUSED` by default. */
export const refuse = (code = "ECONNREFUSED"): Outcome => ({ _tag: "Refuse", code })
/** Headers and some bytes arrive, then the connection breaks. */
export const breakBody = (after: string): Outcome => ({
  _tag: "BreakBody",
  after: new TextEncoder().encode(after)
})
/** The outcome, after a while. */
export const delay = (duration: Duration.Input, outcome: Outcome): Outcome => ({
  _tag: "Delay",
  duration,
  outcome
})
/** No answer at all. */
export const never: Outcome = { _tag: "Never" }

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
        Effect.flatMap(bodyOf(request, request.body), (body) => {
          const outcome = outcomes[requests.length]
          requests.push({ method: request.method, url: url.href, headers: request.headers, body })
          return outcome === undefined
            ? Effect.die(
                new Error(
                  `The script has ${outcomes.length} outcomes, but was asked ${requests.length} times`
                )
              )
            : play(request, outcome)
        })
      )
      return Layer.merge(
        Layer.succeed(HttpClient.HttpClient, client),
        Layer.succeed(Recorded, { requests: Effect.sync(() => [...requests]) })
      )
    })
  )

type ClientEffect<A> = Effect.Effect<A, HttpClientError.HttpClientError>

const failed = (request: HttpClientRequest.HttpClientRequest, cause: unknown) =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })

const bodyOf = (
  request: HttpClientRequest.HttpClientRequest,
  body: HttpBody.HttpBody
): ClientEffect<Uint8Array> => {
  switch (body._tag) {
    case "Uint8Array":
      return Effect.succeed(body.body)
    case "Stream":
      return Effect.mapBoth(Stream.runCollect(body.stream), {
        onSuccess: concat,
        onFailure: (cause) => failed(request, cause)
      })
    default:
      return Effect.succeed(new Uint8Array())
  }
}

const play = (
  request: HttpClientRequest.HttpClientRequest,
  outcome: Outcome
): ClientEffect<HttpClientResponse.HttpClientResponse> => {
  switch (outcome._tag) {
    case "Respond": {
      // A `Response` takes no body with these.
      const body =
        outcome.status === 204 || outcome.status === 304
          ? null
          : new Blob([Uint8Array.from(toBytes(outcome.body))])
      return Effect.succeed(
        HttpClientResponse.fromWeb(
          request,
          new Response(body, { status: outcome.status, headers: outcome.headers })
        )
      )
    }
    case "Refuse":
      return Effect.fail(
        failed(request, Object.assign(new Error(`connect ${outcome.code}`), { code: outcome.code }))
      )
    case "BreakBody": {
      let sent = false
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent)
            controller.error(Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" }))
          else controller.enqueue(outcome.after)
          sent = true
        }
      })
      return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body)))
    }
    case "Delay":
      return Effect.delay(
        Effect.suspend(() => play(request, outcome.outcome)),
        outcome.duration
      )
    case "Never":
      return Effect.never
  }
}

const toBytes = (body: string | Uint8Array): Uint8Array =>
  typeof body === "string" ? new TextEncoder().encode(body) : body
