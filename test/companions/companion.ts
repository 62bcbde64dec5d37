/** A companion under test: its client over a server that is made from its contract. */
import { Effect, Layer, type Scope } from "effect"
import type { HttpClient, HttpServerResponse } from "effect/http"
import { HttpApi, type HttpApiGroup } from "effect/http-api"
import { ServiceRegistry } from "effect-segformer/service"

interface Failure {
  readonly _tag: string
  readonly message: string
  readonly detail?: string
  readonly attempt?: number
}

/** One call: what it sends, what the service answers, and what that is to the caller. */
export interface Row {
  readonly call: Effect.Effect<unknown, Failure>
  /** Method and path, and the JSON of the body where there is one. */
  readonly sends: readonly [request: string, body?: unknown]
  /** Nothing where the service has nothing to say. */
  readonly answers?: unknown
  readonly status?: number
  /** The answer, unless given. */
  readonly gives?: unknown
  /** Whether it may be sent again: GET, PUT and DELETE unless given. */
  readonly repeats?: boolean
}

export type Rows = Readonly<Record<string, Row>>

type Answer = () => Effect.Effect<HttpServerResponse.HttpServerResponse>

export interface Companion {
  readonly name: string
  /** By endpoint: the statuses that the contract declares it to fail with. */
  readonly declared: ReadonlyMap<string, ReadonlySet<number>>
  /** A server made from the contract, whose every endpoint answers like this. */
  readonly serve: (answer: Answer) => Effect.Effect<string, never, Scope.Scope>
  readonly rows: (url: string) => Effect.Effect<Rows, never, HttpClient.HttpClient | Scope.Scope>
}

const policy = {
  attemptTimeout: "5 seconds",
  deadline: false,
  retry: { times: 3, delay: "1 millis", factor: 1 },
  breaker: false,
  retryBudget: false
} as const

export const companion = <Self, C>(
  service: string,
  client: Effect.Effect<C, never, Self> & {
    readonly layer: Layer.Layer<Self, Error, ServiceRegistry.ServiceRegistry | HttpClient.HttpClient>
  },
  declared: Companion["declared"],
  serve: Companion["serve"],
  rows: (client: C) => Rows
): Companion => ({
  name: service,
  declared,
  serve,
  rows: (url) =>
    Layer.build(
      Layer.provide(client.layer, ServiceRegistry.layerOf({ [service]: { baseUrl: url, policy } }))
    ).pipe(
      Effect.flatMap((context) => Effect.provideContext(client, context)),
      Effect.map(rows),
      Effect.orDie
    )
})

/** The statuses that each endpoint of a contract declares to fail with. */
export const declaredBy = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): Companion["declared"] => {
  const declared = new Map<string, ReadonlySet<number>>()
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, errors }) => void declared.set(endpoint.identifier, new Set(errors.keys()))
  })
  return declared
}

/** The same answer from every endpoint. */
export const each = (declared: Companion["declared"], answer: Answer): Record<string, Answer> =>
  Object.fromEntries(Array.from(declared.keys(), (name) => [name, answer]))
