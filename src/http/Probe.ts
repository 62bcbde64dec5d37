/**
 * What is at an address: which protocol it speaks, whether it is ready, which model and classes it has, what it takes,
 * how quickly it answers, and the layer to write for it.
 *
 * At most ten requests are sent, all of them questions; an image is sent only where one is given. Nothing is tried
 * twice, and all questions together take at most twice what one may.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { Probe } from "effect-segformer/http"
 *
 * const program = Effect.map(Probe.probe("http://127.0.0.1:8080"), ({ layer, protocol }) => `${protocol}: ${layer}`)
 * export const told = Effect.provide(program, FetchHttpClient.layer)
 * ```
 */
import { Clock, Duration, Effect, Option, type Redacted, Result } from "effect"
import { HttpClient, HttpClientError } from "effect/http"
import type { ImageSource } from "../image/ImageSource.ts"
import type { ClassTable } from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import type { Attempt } from "../policy/Attempt.ts"
import { randomHex } from "../randomHex.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { segment } from "../Segmenter.ts"
import * as Exchange from "../service/Exchange.ts"
import { ConnectionFailed, type InvalidUrl } from "../service/ServiceError.ts"
import { type Health, Transport } from "../Transport.ts"
import * as ProbeClues from "./ProbeClues.ts"
import type { Question } from "./protocol/Protocol.ts"
import * as Protocols from "./protocol/Protocols.ts"
import * as SegFormerHttp from "./SegFormerHttp.ts"
import type { SpanName } from "../TelemetryNames.ts"

export interface ProbeOptions<R = never> {
  readonly apiKey?: Redacted.Redacted | undefined
  /** The model's name, where it is known: some protocols answer questions about a model only by its name. */
  readonly model?: string | undefined
  /** Sent once, to see what comes back. Without it no image is sent. */
  readonly image?: ImageSource<R> | undefined
  /** For one question; all of them may take twice that. 5 seconds by default. */
  readonly timeout?: Duration.Input | undefined
  /** For the image. 1 minute by default. */
  readonly imageTimeout?: Duration.Input | undefined
}

/** What became of the image that was sent. */
export interface Sample {
  readonly duration: Duration.Duration
  /** `undefined` where it failed. */
  readonly classes: ClassTable | undefined
  /** Such as `48 x 32 pixels with a label map`, or why it failed. */
  readonly detail: string
}

export interface Finding {
  readonly url: string
  /** By the name that configuration calls it by; `undefined` where it speaks none that is known. */
  readonly protocol: string | undefined
  /** Whether another protocol might answer like that. */
  readonly certainty: "sure" | "likely" | undefined
  readonly health: Health
  readonly model: string | undefined
  /** Empty where the service does not say. */
  readonly classes: ClassTable
  /** What it takes, in words; empty where it does not say. */
  readonly limits: ReadonlyArray<string>
  /** It refuses questions without a key, or with the one given. */
  readonly needsKey: boolean
  /** The median over all answers, from the request to the last byte. */
  readonly latency: Duration.Duration
  /** How many were sent: at most ten. */
  readonly requests: number
  readonly sample: Sample | undefined
  /** The layer to write, as TypeScript; `undefined` where no protocol was found. */
  readonly layer: string | undefined
}

/** Requests that a probe sends at most. */
export const maxRequests = 10

/** Of these, what an image may need: the model's metadata, and the image itself. */
const reserved = 2

/** Answers to questions are short; what is longer is none. */
const maxAnswer = 1024 * 1024

/** Finds out what is at an address. Fails where nothing answers at all. */
export const probe = Effect.fn("Probe.probe" satisfies SpanName)(function* <R = never>(
  url: string,
  options: ProbeOptions<R> = {}
): Effect.fn.Return<Finding, InvalidUrl | ConnectionFailed | SegmentationError, HttpClient.HttpClient | R> {
  let requests = 0
  // Counted where they are sent, so that nothing that a protocol does can send more.
  const client = HttpClient.transform(yield* HttpClient.HttpClient, (send, request) =>
    Effect.suspend(() =>
      ++requests > maxRequests
        ? Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({
                request,
                description: `a probe sends no more than ${maxRequests} requests`
              })
            })
          )
        : send
    )
  )
  const { apiKey, model } = options
  const exchange = yield* Exchange.make({
    baseUrl: url,
    apiKey,
    limits: { maxBodyBytes: maxAnswer, maxDecodedBytes: maxAnswer }
  }).pipe(Effect.provideService(HttpClient.HttpClient, client))
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "5 seconds")
  const questions = options.image === undefined ? maxRequests : maxRequests - reserved

  const clock = yield* Clock.Clock
  const end = clock.monotonicTimeNanosUnsafe() + BigInt(Math.round(2e6 * Duration.toMillis(timeout)))
  const answers = new Map<string, Exchange.Answer | undefined>()
  const took: Array<number> = []
  let firstFailure: SegmentationError | undefined
  const send = (call: Exchange.Call): Effect.Effect<Exchange.Answer | undefined> =>
    Effect.suspend(() => {
      const name = `${call.method} ${call.path}`
      if (answers.has(name)) return Effect.succeed(answers.get(name))
      // One that takes no connection will take no other.
      const left = Duration.nanos(end - clock.monotonicTimeNanosUnsafe())
      if (requests >= questions || isAway(firstFailure) || !Duration.isPositive(left)) {
        return Effect.succeed(undefined)
      }
      const limit = Duration.min(timeout, left)
      const sent = Effect.result(Effect.timeoutOption(exchange.send(call, attemptOf(limit)), limit))
      return Effect.map(timed(sent), ([duration, result]) => {
        const answer = Result.isSuccess(result) ? Option.getOrUndefined(result.success) : undefined
        if (answer !== undefined) took.push(duration)
        else if (Result.isFailure(result)) firstFailure ??= result.failure
        answers.set(name, answer)
        return answer
      })
    })
  const ask: ProbeClues.Ask = {
    get: (path) => send({ method: "GET", path, accept: "application/json, */*;q=0.5" }),
    post: (path) => send({ method: "POST", path })
  }

  let clue: ProbeClues.Clue | undefined
  for (const detect of ProbeClues.detectionsFor(url)) {
    clue = yield* detect(ask, { model })
    if (clue !== undefined || isAway(firstFailure)) break
  }
  const answered = [...answers.values()].filter((answer) => answer !== undefined)
  if (answered.length === 0) {
    return yield* (
      firstFailure ??
        new ConnectionFailed({
          service: exchange.service,
          phase: "receiving",
          sent: "maybe",
          detail: `it takes connections, and answers no question within ${Duration.format(timeout)}`
        })
    )
  }

  const read = <A>({ call, read }: Question<A>): Effect.Effect<A | undefined> =>
    Effect.flatMap(ask.get(call.path), (answer) =>
      answer === undefined ? Effect.succeed(undefined) : Effect.orElseSucceed(read(answer), () => undefined)
    )
  const health = clue?.health === undefined ? undefined : yield* read(clue.health)
  const described =
    clue?.describe === undefined
      ? undefined
      : "call" in clue.describe
        ? yield* read(clue.describe)
        : clue.describe
  const refused = answered.some(({ status }) => status === 401 || status === 403)
  const sample =
    options.image === undefined || clue === undefined
      ? undefined
      : yield* sampleOf(clue, options.image, url, options).pipe(
          Effect.provideService(HttpClient.HttpClient, client)
        )
  const needsKey = refused || clue?.needsKey === true
  // What is found is told to people, and a service may repeat the key in any of it.
  const { hide } = exchange
  const named = described?.name ?? clue?.model ?? (clue === undefined ? undefined : model)
  const said: Health = health ?? {
    healthy: false,
    detail: refused
      ? "it asks for an API key"
      : clue === undefined
        ? whyUnknown([...answers.values()], timeout)
        : "it does not say"
  }
  return {
    url: exchange.service,
    protocol: clue?.protocol,
    certainty: clue?.certainty,
    health: { ...said, detail: hide(said.detail) },
    model: named === undefined ? undefined : hide(named),
    classes: described?.classes ?? [],
    limits: (clue?.limits ?? []).map(hide),
    needsKey,
    latency: Duration.millis([...took].sort((a, b) => a - b)[took.length >> 1] ?? 0),
    requests: Math.min(requests, maxRequests),
    sample,
    layer: clue === undefined ? undefined : hide(ProbeClues.layerCode(url, { ...clue, needsKey }))
  }
})

/** Why no protocol was found in the answers. */
const whyUnknown = (
  answers: ReadonlyArray<Exchange.Answer | undefined>,
  timeout: Duration.Duration
): string => {
  const statuses = new Set(answers.flatMap((answer) => (answer === undefined ? [] : [answer.status])))
  const [status = 0] = statuses
  if (statuses.size === 1 && status >= 500) {
    const behind =
      status >= 502 && status <= 504 ? ", as a proxy does whose service is down or does not answer" : ""
    return `it answers every question with ${status}${behind}`
  }
  const silent = answers.filter((answer) => answer === undefined).length
  return silent === 0
    ? "it speaks no protocol known here"
    : `it speaks no protocol known here, as far as it answers: ${silent} of ${answers.length} questions had no answer within ${Duration.format(timeout)}`
}

/** Nobody is there, or no connection is made: more questions would only take longer. */
const isAway = (failure: SegmentationError | undefined): boolean =>
  failure?._tag === "InvalidUrl" || (failure?._tag === "ConnectionFailed" && failure.sent === "no")

const attemptOf = (timeout: Duration.Duration): Attempt => {
  const callId = randomHex(16)
  return { callId, idempotencyKey: callId, number: 1, timeout, phase: "queued" }
}

const timed = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<readonly [milliseconds: number, value: A], E, R> =>
  Clock.clockWith((clock) =>
    Effect.suspend(() => {
      const started = clock.monotonicTimeNanosUnsafe()
      return Effect.map(self, (value) => [Number(clock.monotonicTimeNanosUnsafe() - started) / 1e6, value])
    })
  )

/** One image, one attempt: what comes back is told, and no failure of it is the probe's. */
const sampleOf = <R>(
  clue: ProbeClues.Clue,
  image: ImageSource<R>,
  baseUrl: string,
  { apiKey, imageTimeout = "1 minute", model }: ProbeOptions<R>
): Effect.Effect<Sample, never, HttpClient.HttpClient | R> => {
  const make = Protocols.byName[clue.protocol]
  const attempt = Effect.gen(function* () {
    const protocol =
      clue.instance ??
      (make === undefined
        ? undefined
        : yield* Effect.mapError(make({ model: clue.model ?? model, apiKey }), ({ detail, variable }) => ({
            message: `${variable} ${detail}`
          })))
    const transport = yield* SegFormerHttp.make({ baseUrl, apiKey, protocol, policy: { retry: false } })
    const segmentation = yield* Effect.provideService(segment(image), Transport, transport)
    const labelMap = yield* Effect.option(segmentation.labelMap)
    const found = Option.isSome(labelMap) ? new Set(LabelMap.histogram(labelMap.value).keys()) : undefined
    const what =
      found === undefined ? "no label map, only pictures" : `a label map of ${found.size} class(es)`
    return {
      classes: segmentation.classes.filter(({ id }) => found === undefined || found.has(id)),
      detail: `${segmentation.width} x ${segmentation.height} pixels, ${what}`
    }
  })
  const limit = Duration.fromInputUnsafe(imageTimeout)
  const bounded = Effect.timeoutOrElse(Effect.scoped(attempt), {
    duration: limit,
    orElse: () => Effect.fail({ message: `it gave no result within ${Duration.format(limit)}` })
  })
  return Effect.map(timed(Effect.result(bounded)), ([milliseconds, result]): Sample => ({
    duration: Duration.millis(milliseconds),
    ...(Result.isSuccess(result) ? result.success : { classes: undefined, detail: result.failure.message })
  }))
}
