/**
 * A service's contract (an `HttpApi`) as a client sees it: the types of its methods, and what is to be known of each
 * endpoint to send it under a policy.
 */
import { Context, type Effect, Layer, type Schema, type Stream, type Types } from "effect"
import type { FileSystem } from "effect/FileSystem"
import type { Etag, HttpClientError, HttpClientResponse, HttpPlatform, HttpRouter } from "effect/http"
import {
  HttpApi,
  HttpApiBuilder,
  type HttpApiClient,
  type HttpApiEndpoint,
  type HttpApiGroup,
  type HttpApiMiddleware
} from "effect/http-api"
import type { Path } from "effect/Path"
import type { PolicyError } from "../policy/PolicyError.ts"
import type { RequestInvalid, ServiceError } from "./ServiceError.ts"

/** How a call fails besides what its contract declares. */
export type CallError = ServiceError | RequestInvalid | PolicyError

/**
 * Whether an endpoint may be sent again after an answer or a silence that leaves open what became of it. By its method
 * unless it is annotated: GET, HEAD, OPTIONS, PUT, DELETE and QUERY may, POST and PATCH may not.
 *
 * `HttpApiEndpoint.post("verify", …).annotate(ServiceClient.Idempotent, true)`
 */
export const Idempotent = Context.Reference<boolean | undefined>(
  "effect-segformer/service/ServiceClient/Idempotent",
  { defaultValue: () => undefined }
)

/** Streams of a contract fail like its calls do. */
type Success<A> =
  A extends Stream.Stream<infer Value, infer E, infer R>
    ? Stream.Stream<Value, Exclude<E, HttpClientError.HttpClientError | Schema.SchemaError> | ServiceError, R>
    : A

type Mode = "decoded-only" | "decoded-and-response"

type Given<Value, M extends Mode> = M extends "decoded-and-response"
  ? [Value, HttpClientResponse.HttpClientResponse]
  : Value

/** What an endpoint gives. */
export type SuccessOf<Endpoint extends HttpApiEndpoint.ConstraintRequest> = Success<
  HttpApiClient.SuccessType<Endpoint["~Success"]>
>

/** How an endpoint fails: as its contract declares, or as every call may. */
export type ErrorOf<Endpoint extends HttpApiEndpoint.ConstraintRequest> =
  | HttpApiEndpoint.Errors<Endpoint>
  | HttpApiMiddleware.ClientError<Endpoint["~Middleware"]>
  | CallError

/** One endpoint as a function: its parameters, query, headers and payload in, what it gives out. */
export type Method<Endpoint extends HttpApiEndpoint.ConstraintRequest> = <M extends Mode = "decoded-only">(
  request: Types.Simplify<
    HttpApiEndpoint.ClientRequest<
      Endpoint["~Params"],
      Endpoint["~Query"],
      Endpoint["~Payload"],
      Endpoint["~Headers"],
      M
    >
  >
) => Effect.Effect<Given<SuccessOf<Endpoint>, M>, ErrorOf<Endpoint>, HttpApiEndpoint.ClientServices<Endpoint>>

type Methods<Group extends HttpApiGroup.Constraint> = Group["endpoints"] extends infer Endpoints extends
  Readonly<Record<string, HttpApiEndpoint.ConstraintRequest>>
  ? { readonly [Name in keyof Endpoints]: Method<Endpoints[Name]> }
  : {}

type TopLevel<Groups extends HttpApiGroup.Constraint> = {
  readonly [
    Endpoint in Extract<
      HttpApiGroup.Endpoints<Extract<Groups, { readonly topLevel: true }>>,
      HttpApiEndpoint.ConstraintRequest
    > as Endpoint["identifier"]
  ]: Method<Endpoint>
}

/** The endpoints of a contract as functions, by group and name; those of top-level groups by name alone. */
export type Client<Groups extends HttpApiGroup.Constraint> = Types.Simplify<
  {
    readonly [
      Group in Extract<Groups, { readonly topLevel: false }> as HttpApiGroup.Identifier<Group>
    ]: Methods<Group>
  } & TopLevel<Groups>
>

/** What sending an endpoint takes. */
export interface Described {
  readonly group: string
  readonly name: string
  readonly isTopLevel: boolean
  readonly isIdempotent: boolean
  /** Its answer is read as it comes. */
  readonly isStream: boolean
  readonly successes: ReadonlySet<number>
  readonly errors: ReadonlySet<number>
  readonly middleware: ReadonlySet<HttpApiMiddleware.AnyService>
}

const safe = new Set<string>(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "QUERY"])

/** Every endpoint of a contract. */
export const describe = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): ReadonlyArray<Described> => {
  const found: Array<Described> = []
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, errors, group, mergedAnnotations, middleware, successes }) => {
      const buffered = new Set([...successes.values()].flat())
      found.push({
        group: group.identifier,
        name: endpoint.identifier,
        isTopLevel: group.topLevel,
        isIdempotent: Context.get(mergedAnnotations, Idempotent) ?? safe.has(endpoint.method),
        // What `reflect` leaves out of its table is a stream.
        isStream: [...endpoint.success].some((schema) => !buffered.has(schema)),
        successes: new Set(successes.keys()),
        errors: new Set(errors.keys()),
        middleware
      })
    }
  })
  return found
}

/** A method whose types are known only by its contract. */
export type AnyMethod = (request: unknown) => Effect.Effect<unknown, unknown, unknown>

/** The same client with each of its methods changed. The one place where a contract's types are taken on trust. */
export const mapMethods = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  client: HttpApiClient.Client<Groups, CallError>,
  change: (method: AnyMethod, described: Described) => AnyMethod
): Client<Groups> & object => {
  const changed: Record<string, unknown> = {}
  for (const described of describe(api)) {
    const { group, isTopLevel, name } = described
    const from = isTopLevel ? (client as object) : (Reflect.get(client as object, group) as object)
    const method = change(Reflect.get(from, name) as AnyMethod, described)
    if (isTopLevel) changed[name] = method
    else changed[group] = { ...(changed[group] as object | undefined), [name]: method }
  }
  return changed as Client<Groups> & object
}

interface AnyHandlers {
  readonly handle: (name: string, handler: AnyMethod) => unknown
}

type AnyGroup = Layer.Layer<HttpApiGroup.Service<string, string>>

/** `HttpApiBuilder.group` for a group that is known only as the program runs. */
const groupBuilder: unknown = HttpApiBuilder.group
const groupOf = groupBuilder as (
  api: HttpApi.Top,
  group: string,
  build: (handlers: AnyHandlers) => AnyHandlers
) => AnyGroup

/** Routes, and what serving them needs. */
export type Routes = Layer.Layer<
  never,
  never,
  HttpRouter.HttpRouter | HttpPlatform.HttpPlatform | Etag.Generator | FileSystem | Path
>

/** The routes of a contract whose every endpoint has a handler. */
export const serve = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  handlerOf: (group: string, name: string) => AnyMethod
): Routes => {
  const erased: HttpApi.Constraint = api
  const top = erased as HttpApi.Top
  const groups = Object.values(top.groups).map(({ endpoints, identifier }) =>
    groupOf(top, identifier, (handlers) => {
      for (const name of Object.keys(endpoints)) handlers.handle(name, handlerOf(identifier, name))
      return handlers
    })
  )
  const [first, ...rest] = groups
  return first === undefined
    ? Layer.empty
    : HttpApiBuilder.layer(top).pipe(Layer.provide(Layer.mergeAll(first, ...rest)))
}
