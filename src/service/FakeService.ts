/**
 * A service made from its contract and handlers: as routes for a server on a socket, and as a wire within this process.
 */
import { Cause, Context, Duration, Effect, Exit, Layer, Schema, Scope, Stream } from "effect"
import {
  HttpClientRequest,
  HttpRouter,
  HttpServer,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import type { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { HttpApiMiddleware } from "effect/http-api"
import type { Attempt } from "../policy/Attempt.ts"
import { PolicyError } from "../policy/PolicyError.ts"
import type { Wire } from "./Calling.ts"
import * as Contract from "./Contract.ts"
import type { CallError } from "./Contract.ts"
import type { Answer, Call } from "./Exchange.ts"
import * as Multipart from "./Multipart.ts"
import { ConnectionFailed, RequestInvalid, ServiceError } from "./ServiceError.ts"

/** As a server has it, but it may also fail as a call does, and needs nothing. */
type Handler<Endpoint extends HttpApiEndpoint.ConstraintRequest> = HttpApiEndpoint.Handler<
  Endpoint,
  HttpApiEndpoint.MiddlewareError<Endpoint> | CallError,
  never
>

/** Handlers of a contract, by group and endpoint. One that is called and missing is a defect that names it. */
export type FakeHandlers<Groups extends HttpApiGroup.Constraint> = {
  readonly [Group in Groups as HttpApiGroup.Identifier<Group>]?: {
    readonly [
      Endpoint in Extract<
        HttpApiGroup.Endpoints<Group>,
        HttpApiEndpoint.ConstraintRequest
      > as Endpoint["identifier"]
    ]?: Handler<Endpoint>
  }
}

/** What a fake calls itself in errors. */
export const baseUrl = "http://fake"

/** What a handler gives that no answer could carry. */
interface Slip {
  error?: CallError
  defect?: Cause.Cause<never>
}

const Slip = Context.Reference<Slip | undefined>("effect-segformer/service/FakeService/Slip", {
  defaultValue: () => undefined
})

const isCallError: (error: unknown) => error is CallError = Schema.is(
  Schema.Union([...ServiceError.members, RequestInvalid, ...PolicyError.members])
)

/** An error of ours as the answer of a service that has it. */
const toResponse = (error: CallError): HttpServerResponse.HttpServerResponse => {
  const status = "status" in error && error.status >= 400 ? error.status : 500
  const after = "retryAfter" in error ? error.retryAfter : undefined
  return HttpServerResponse.jsonUnsafe(
    { error: "detail" in error && typeof error.detail === "string" ? error.detail : error.message },
    { status, headers: after === undefined ? {} : { "retry-after": String(Duration.toSeconds(after)) } }
  )
}

type AnyHandler = (request: unknown) => Effect.Effect<unknown, unknown>

/** A handler whose failures that are none of its contract's become an answer, or slip past it. */
const guarded =
  (name: string, handler: AnyHandler | undefined): AnyHandler =>
  (request) =>
    Effect.withFiber((fiber) => {
      const slip = fiber.getRef(Slip)
      const run =
        handler === undefined
          ? Effect.die(new Error(`The fake has no handler for ${name}`))
          : Effect.suspend(() => handler(request))
      return Effect.catchCause(run, (cause): Effect.Effect<unknown, unknown> => {
        const failure = Cause.findErrorOption(cause)
        const error = failure._tag === "Some" ? failure.value : undefined
        if (isCallError(error)) {
          if (slip !== undefined) slip.error = error
          return Effect.succeed(toResponse(error))
        }
        if (slip !== undefined && Cause.hasDies(cause)) slip.defect = Cause.die(Cause.squash(cause))
        return Effect.failCause(cause)
      })
    })

/** The routes of a contract, served by handlers. Middleware of the contract lets everything pass. */
export const routes = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  handlers: NoInfer<FakeHandlers<Groups>>
): Contract.Routes => {
  const passing = new Map<string, unknown>()
  for (const endpoint of Contract.describe(api)) {
    for (const middleware of endpoint.middleware) {
      const pass = <A>(next: A): A => next
      passing.set(
        middleware.key,
        HttpApiMiddleware.isSecurity(middleware)
          ? Object.fromEntries(Object.keys(middleware.security).map((scheme) => [scheme, pass]))
          : pass
      )
    }
  }
  return Contract.serve(api, (group, name) =>
    guarded(`${group}.${name}`, handlerOf(handlers, group, name))
  ).pipe(Layer.provide(Layer.succeedContext(Context.makeUnsafe<never>(passing))))
}

const handlerOf = (handlers: object, group: string, name: string): AnyHandler | undefined => {
  const ofGroup: unknown = Reflect.get(handlers, group)
  return typeof ofGroup === "object" && ofGroup !== null ? Reflect.get(ofGroup, name) : undefined
}

/** A wire to a service within this process. */
export const wire = Effect.fnUntraced(function* <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  handlers: NoInfer<FakeHandlers<Groups>>
): Effect.fn.Return<Wire, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const services = yield* Layer.build(HttpServer.layerServices)
  const app = yield* Effect.provideContext(HttpRouter.toHttpEffect(routes(api, handlers)), services)

  /** The answer of the handlers; it lives as long as the scope. */
  const answered = (call: Call, attempt: Attempt) =>
    Effect.suspend(() => {
      const request = HttpClientRequest.make(call.method)(baseUrl + call.path, {
        headers: { accept: call.accept, "x-request-id": attempt.callId, ...call.headers },
        body: call.body === undefined ? undefined : Multipart.toBody(call.body, false)
      })
      const slip: Slip = {}
      attempt.phase = "waiting"
      return Effect.exit(app).pipe(
        Effect.flatMap((exit) =>
          Exit.isSuccess(exit)
            ? Effect.succeed(exit.value)
            : Cause.hasInterrupts(exit.cause)
              ? Effect.failCause(Cause.interrupt())
              : Effect.map(HttpServerError.causeResponse(exit.cause), ([response]) => response)
        ),
        Effect.provideService(
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromClientRequest(request)
        ),
        Effect.provideService(Slip, slip),
        Effect.flatMap((response) => {
          if (slip.defect !== undefined) return Effect.failCause(slip.defect)
          if (slip.error !== undefined) return Effect.fail(slip.error)
          const answer = HttpServerResponse.toClientResponse(response, { request })
          return Effect.succeed({
            service: baseUrl + call.path.split("?", 1)[0]!,
            requestId: attempt.callId,
            status: answer.status,
            headers: answer.headers,
            answer
          })
        })
      )
    })

  const read = ({ answer, ...rest }: Effect.Success<ReturnType<typeof answered>>): Effect.Effect<Answer> =>
    Effect.map(Effect.orDie(answer.arrayBuffer), (body) => ({ ...rest, body: new Uint8Array(body) }))

  return {
    send: (call, attempt) => Effect.scoped(Effect.flatMap(answered(call, attempt), read)),
    open: (call, attempt, refused) =>
      Effect.gen(function* () {
        // It ends with its body, or with the fake where nobody reads that.
        const own = yield* Scope.fork(scope)
        const found = yield* Scope.provide(answered(call, attempt), own)
        if (found.status < 200 || found.status >= 300) return yield* Effect.flatMap(read(found), refused)
        const { answer, ...rest } = found
        return {
          ...rest,
          body: answer.stream.pipe(
            Stream.mapError(
              (error) =>
                new ConnectionFailed({
                  service: rest.service,
                  requestId: rest.requestId,
                  phase: "receiving",
                  sent: "maybe",
                  detail: error.message
                })
            ),
            Stream.ensuring(Scope.close(own, Exit.void))
          )
        }
      })
  }
})
