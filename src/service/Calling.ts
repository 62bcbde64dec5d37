/**
 * What every call of a client goes through, whatever carries it: the policy, which of a contract's errors it is, and a
 * span of its own.
 */
import { Context, Effect, Function, Redacted, Schema, Stream } from "effect"
import {
  HttpClient,
  HttpClientError,
  type HttpClientRequest,
  type HttpClientResponse,
  HttpServerResponse,
  UrlParams
} from "effect/http"
import { type HttpApi, HttpApiClient, type HttpApiGroup } from "effect/http-api"
import { isHttpMethod } from "effect/http/HttpMethod"
import type { Attempt } from "../policy/Attempt.ts"
import { nestedIn } from "../policy/NestedAttempt.ts"
import type { CallPolicyOptions } from "../policy/Policy.ts"
import type { PolicyRunner } from "../policy/PolicyRunner.ts"
import * as Contract from "./Contract.ts"
import type { CallError, Client, Described } from "./Contract.ts"
import * as Decode from "./Decode.ts"
import * as Exchange from "./Exchange.ts"
import type { Answer, Call, Opened } from "./Exchange.ts"
import * as Hiding from "./Hiding.ts"
import { hidingOf } from "./OwnHeaders.ts"
import * as Message from "./Message.ts"
import type { RetryWhen } from "./ServiceDefinition.ts"
import { excerpt, RequestInvalid, ServiceError } from "./ServiceError.ts"

/** What carries requests: an exchange with a service, or a fake of one. */
export interface Wire {
  readonly send: (call: Call, attempt: Attempt) => Effect.Effect<Answer, CallError>
  /** Any status but 2xx is refused. */
  readonly open: (
    call: Call,
    attempt: Attempt,
    refused: (answer: Answer) => Effect.Effect<never, ServiceError>
  ) => Effect.Effect<Opened, CallError>
}

/** What a caller says of the calls within. */
interface CallOptions {
  readonly idempotencyKey?: string | undefined
  readonly policy?: CallPolicyOptions | undefined
  readonly attempt?: Attempt | undefined
  /** What the service may repeat of what it was sent, and nobody else is to read. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
}

const Options = Context.Reference<CallOptions>("effect-segformer/service/Calling/Options", {
  defaultValue: () => ({})
})

/** What changes the calls within an effect, data-first or data-last. */
export interface Combinator<A> {
  (value: A): <B, E, R>(self: Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  <B, E, R>(self: Effect.Effect<B, E, R>, value: A): Effect.Effect<B, E, R>
}

/** Says something of the calls within an effect. */
export const combinator = <A>(change: (value: A) => CallOptions): Combinator<A> =>
  Function.dual(2, <B, E, R>(self: Effect.Effect<B, E, R>, value: A) =>
    Effect.updateService(self, Options, (options) => ({ ...options, ...change(value) }))
  )

/** One call, from its request to its value. */
interface State {
  readonly described: Described
  /** The last answer, where there was one. */
  answer: (Omit<Answer, "body"> & { readonly body: Uint8Array }) | undefined
  /** What the call's stream is read from. */
  opened: Opened | undefined
  /** What the last answer was refused with, where its status is no success. */
  refusal: ServiceError | undefined
}

const Current = Context.Reference<State | undefined>("effect-segformer/service/Calling/Current", {
  defaultValue: () => undefined
})

const key = "idempotency-key"

/** The client of a contract over a wire. */
export const make = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  options: {
    /** What spans and errors call it. */
    readonly service: string
    readonly runner: PolicyRunner
    readonly wire: Wire
    readonly idempotencyKeys: boolean
    readonly retryWhen?: RetryWhen | undefined
  }
): Effect.Effect<Client<Groups> & object, never, HttpApiGroup.MiddlewareClient<Groups>> => {
  const { idempotencyKeys, runner, service, wire } = options
  const { retryWhen } = options
  // The policy judges its own failures itself.
  const wanted =
    retryWhen === undefined
      ? undefined
      : (error: CallError) => (isServiceError(error) || error instanceof RequestInvalid) && retryWhen(error)

  const send = (
    request: HttpClientRequest.HttpClientRequest,
    state: State,
    said: CallOptions
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, CallError> => {
    const { described } = state
    const given = said.idempotencyKey ?? request.headers[key]
    const hasKey = given !== undefined || (idempotencyKeys && !described.isIdempotent)
    const call = toCall(request)

    const own = hidingOf((said.secrets ?? []).map((secret) => Redacted.value(secret)))
    const refuse = ({ hide = Hiding.nothing, ...rest }: Answer) =>
      Effect.flatMap(own, (hideOwn) => {
        const answer: Answer = { ...rest, hide: Hiding.both(hide, hideOwn) }
        return Effect.tapError(Exchange.failure(answer, { detail: messageIn(answer) }), (error) =>
          Effect.sync(() => {
            state.answer = answer
            state.refusal = error
          })
        )
      })
    const isSuccess = (answer: Answer) => Exchange.isSuccess(answer) || described.successes.has(answer.status)

    const once = (attempt: Attempt) => {
      const current = nestedIn(attempt, said.attempt, given)
      const keyed = hasKey ? { ...call, headers: { ...call.headers, [key]: current.idempotencyKey } } : call
      state.answer = undefined
      state.refusal = undefined
      if (described.isStream) {
        return Effect.flatMap(wire.open(keyed, current, refuse), (opened) => {
          state.opened = opened
          state.answer = { ...opened, body: new Uint8Array() }
          return Effect.succeed(toResponse(request, opened, opened.body))
        })
      }
      return Effect.flatMap(wire.send(keyed, current), (answer) => {
        if (!isSuccess(answer)) return refuse(answer)
        state.answer = answer
        return Effect.succeed(toResponse(request, answer, answer.body))
      })
    }
    const answered =
      said.attempt === undefined
        ? Effect.map(
            runner.run(once, {
              policy:
                hasKey || described.isIdempotent ? said.policy : { ...said.policy, resend: "unless-sent" },
              retryWhen: wanted
            }),
            ({ value }) => value
          )
        : once(said.attempt)
    // What the contract declares is read by the contract, once the policy is done with it.
    return Effect.catch(answered, (error) => {
      const { answer } = state
      return error === state.refusal && answer !== undefined && described.errors.has(answer.status)
        ? Effect.succeed(toResponse(request, answer, withoutSecrets(answer)))
        : Effect.fail(error)
    })
  }

  const httpClient = HttpClient.makeWith<never, never, CallError, never>(
    (request) =>
      Effect.flatMap(request, (request) =>
        Effect.withFiber((fiber) => {
          const state = fiber.getRef(Current)
          return state === undefined
            ? Effect.die(new Error("a request that belongs to no call"))
            : send(request, state, fiber.getRef(Options))
        })
      ),
    Effect.succeed
  )

  /** An error of the contract's machinery in terms of this library; any other is the contract's own. */
  const explain = (error: unknown, state: State): unknown => {
    if (HttpClientError.isHttpClientError(error)) {
      const { reason } = error
      const cause = "cause" in reason ? reason.cause : undefined
      if (isServiceError(cause)) return cause
      if (state.refusal !== undefined) return state.refusal
      return state.answer === undefined
        ? error
        : Decode.notDecodable(state.answer, "", reason.description ?? error.message)
    }
    if (!Schema.isSchemaError(error)) return error
    const { detail, path: keys } = Decode.problemOf(error)
    const path = keys.join(".")
    return state.answer === undefined
      ? new RequestInvalid({ service, path, detail: excerpt(detail) })
      : Decode.notDecodable(state.answer, path, detail)
  }

  return Effect.map(HttpApiClient.makeWith(api, { httpClient }), (client) =>
    Contract.mapMethods(api, client, (method, described) => {
      const { group, name } = described
      return (request) =>
        Effect.suspend(() => {
          const state: State = { described, answer: undefined, opened: undefined, refusal: undefined }
          return method(request).pipe(
            Effect.provideService(Current, state),
            Effect.onError(() => (state.opened === undefined ? Effect.void : Exchange.drop(state.opened))),
            Effect.mapError((error) => explain(error, state)),
            // A parameter such as ".." would leave the path it belongs to: the contract's machinery throws.
            Effect.catchDefect((defect) =>
              state.answer === undefined &&
              defect instanceof Error &&
              defect.message.includes("path parameter")
                ? Effect.fail(new RequestInvalid({ service, path: "params", detail: defect.message }))
                : Effect.die(defect)
            ),
            Effect.map((value) =>
              Stream.isStream(value) ? Stream.mapError(value, (error) => explain(error, state)) : value
            )
          )
        }).pipe(
          Effect.withSpan(`${service}.${described.isTopLevel ? name : `${group}.${name}`}`, {
            kind: "client",
            attributes: { service }
          })
        )
    })
  )
}

const toCall = (request: HttpClientRequest.HttpClientRequest): Call => {
  const query = UrlParams.toString(request.urlParams)
  const { method } = request
  if (!isHttpMethod(method)) throw new RangeError(`${method} is no method of HTTP`)
  return {
    method,
    path: query === "" ? request.url : `${request.url}?${query}`,
    accept: "application/json, */*;q=0.5",
    headers: { ...request.headers },
    body: request.body._tag === "Empty" ? undefined : request.body
  }
}

/** The body of a failure, which becomes an error of the contract's, without secrets of ours in any of its texts. */
const withoutSecrets = ({ body, hide = Hiding.nothing }: Answer): Uint8Array => {
  if (hide === Hiding.nothing) return body
  const text = new TextDecoder().decode(body)
  if (hide(text) === text && text.length <= Hiding.longest) return body
  try {
    const clean: unknown = JSON.parse(text, (_, value: unknown) =>
      typeof value === "string" ? hide(value) : value
    )
    return new TextEncoder().encode(JSON.stringify(clean))
  } catch {
    return new TextEncoder().encode(hide(text))
  }
}

const toResponse = (
  request: HttpClientRequest.HttpClientRequest,
  { headers, status }: Pick<Answer, "status" | "headers">,
  body: Uint8Array | Stream.Stream<Uint8Array, ServiceError>
): HttpClientResponse.HttpClientResponse =>
  HttpServerResponse.toClientResponse(
    Stream.isStream(body)
      ? HttpServerResponse.stream(body, { status, headers })
      : HttpServerResponse.uint8Array(body, { status, headers }),
    { request }
  )

const isServiceError: (cause: unknown) => cause is ServiceError = Schema.is(ServiceError)

/** What the body of a failure says, where it is JSON as services write it. */
const messageIn = (answer: Answer): string =>
  (/json/i.test(answer.headers["content-type"] ?? "")
    ? Message.messageIn(Message.jsonOf(answer), ["message", "error", "detail", "title"])
    : undefined) ?? Decode.text(answer)
