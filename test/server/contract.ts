/** What the contract of `/v1` makes of an answer: whether its status is declared, and whether a client made from it reads it. */
import { assert } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiClient, OpenApi } from "effect/http-api"
import { ApiError, SegFormerApi } from "effect-segformer/server"

/** A call of each endpoint with as little as its types want: what is sent does not matter where the answer is known. */
const calls = {
  "GET /v1/models": ({ models }) => models.list(),
  "POST /v1/segment": ({ segment }) =>
    segment.image({ payload: new Uint8Array([0]), query: {}, headers: {} }),
  "POST /v1/export": ({ segment }) =>
    segment.export({
      payload: { classes: [], labels: { width: 1, height: 1, bits: 8, deflate: "" } },
      headers: {}
    }),
  "POST /v1/picture": ({ segment }) => segment.picture({ payload: new Uint8Array([0]) }),
  "POST /v1/jobs": ({ jobs }) => jobs.submit({ payload: new FormData(), query: {}, headers: {} }),
  "GET /v1/jobs/:jobId": ({ jobs }) => jobs.status({ params: { jobId: "a" } }),
  "DELETE /v1/jobs/:jobId": ({ jobs }) => jobs.cancel({ params: { jobId: "a" } }),
  "GET /v1/jobs/:jobId/result": ({ jobs }) => jobs.result({ params: { jobId: "a" } }),
  "GET /v1/jobs/:jobId/images/:index": ({ jobs }) =>
    jobs.image({ params: { jobId: "a", index: "0" }, headers: {} }),
  "GET /health": (api) => api.health(),
  "GET /ready": (api) => api.ready(),
  "GET /metrics": (api) => api.metrics()
} satisfies Readonly<Record<string, (api: Client) => Effect.Effect<unknown, unknown>>>

type Client = HttpApiClient.ForApi<typeof SegFormerApi>

export type Route = keyof typeof calls
const isRoute = (name: string): name is Route => Object.hasOwn(calls, name)

interface Declared {
  readonly route: Route
  readonly method: string
  readonly path: string
  readonly pattern: RegExp
  readonly statuses: ReadonlySet<number>
}

/** Each endpoint, with the statuses that it declares for errors. */
export const declared: ReadonlyArray<Declared> = (() => {
  const found: Array<Declared> = []
  HttpApi.reflect(SegFormerApi, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path }, errors }) => {
      const route = `${method} ${path}`
      if (!isRoute(route)) throw new Error(`test/server/contract.ts lacks a call of ${route}`)
      const pattern = new RegExp(`^${path.replaceAll(/:\w+/g, "[^/]+")}$`)
      found.push({ route, method, path, pattern, statuses: new Set(errors.keys()) })
    }
  })
  return found
})()

/** Statuses by path and method, as `/openapi.json` has them. */
const described = OpenApi.fromApi(SegFormerApi).paths

interface Recorded {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

/** What a client made from the contract has of an answer. */
export const read = (route: Route, { body, headers, status }: Recorded) =>
  Effect.gen(function* () {
    const httpClient = HttpClient.make((request) =>
      Effect.succeed(
        HttpClientResponse.fromWeb(request, new Response(Uint8Array.from(body), { status, headers }))
      )
    )
    const api = yield* HttpApiClient.makeWith(SegFormerApi, { httpClient, baseUrl: "http://localhost" })
    return yield* Effect.exit<unknown, unknown, never>(calls[route](api))
  })

/**
 * Fails where an answer of a path of the contract is none that it declares. Another method than those of the path is
 * judged by any of them. A dialect may have `/health`, in its own form.
 */
export const check = Effect.fnUntraced(function* (method: string, url: string, answer: Recorded) {
  const { pathname } = new URL(url)
  const there = pathname === "/health" ? [] : declared.filter(({ pattern }) => pattern.test(pathname))
  const one = there.find((endpoint) => endpoint.method === method) ?? there[0]
  if (one === undefined || method === "HEAD") return
  yield* conforms(one.route, answer, `${method} ${pathname}`)
})

/** Fails where a route does not declare an answer, or a client cannot read it. */
export const conforms = Effect.fnUntraced(function* (route: Route, answer: Recorded, what: string = route) {
  const one = declared.find((endpoint) => endpoint.route === route)!
  const said = `${what} answers ${answer.status}: ${Buffer.from(answer.body).toString("latin1").slice(0, 300)}`
  const openApi = described[one.path.replaceAll(/:(\w+)/g, "{$1}")]?.[methodOf(one.method)]
  assert.property(openApi?.responses, String(answer.status), `undeclared in /openapi.json: ${said}`)
  const exit = yield* read(route, answer)
  if (answer.status < 300)
    return assert.isTrue(Exit.isSuccess(exit), `unreadable by a client: ${said} ${exit}`)
  const error = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  assert.isTrue(
    error?._tag === "Fail" && error.error instanceof ApiError && error.error.status === answer.status,
    `no ApiError to a client: ${said} ${exit}`
  )
})

const methodOf = (method: string) => (method === "POST" ? "post" : method === "DELETE" ? "delete" : "get")
