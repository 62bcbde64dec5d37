/**
 * What is at an address: which protocol it speaks, whether it is ready, which model and classes it has, what it takes,
 * how quickly it answers, and the layer to write for it.
 *
 * At most ten requests are sent, all of them questions; an image is sent only where one is given. Nothing is tried
 * twice, all questions together take at most twice what one may, and none is asked once two have had no answer.
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
import { Clock, Duration, Effect, Option, Redacted, Result } from "effect"
import { HttpClient, HttpClientError } from "effect/http"
import type { ImageSource } from "../image/ImageSource.ts"
import type { ClassTable } from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import type { Attempt } from "../policy/Attempt.ts"
import { randomHex } from "../randomHex.ts"
import { segment } from "../Segmenter.ts"
import * as Exchange from "../service/Exchange.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import { type Health, Transport } from "../Transport.ts"
import * as Access from "./Access.ts"
import * as ProbeClue from "./ProbeClue.ts"
import * as ProbeClues from "./ProbeClues.ts"
import * as ProbeLayer from "./ProbeLayer.ts"
import * as ProbeWords from "./ProbeWords.ts"
import * as Custom from "./protocol/Custom.ts"
import type { Protocol, Question } from "./protocol/Protocol.ts"
import * as ProtocolBody from "./protocol/ProtocolBody.ts"
import * as Protocols from "./protocol/Protocols.ts"
import * as SegFormerHttp from "./SegFormerHttp.ts"
import type { ServiceSettings } from "./ServiceSettings.ts"
import type { SpanName } from "../TelemetryNames.ts"
import { millisOf } from "../policy/MonotonicClock.ts"

export interface ProbeOptions<R = never> extends Pick<Exchange.ExchangeOptions, "headers"> {
  readonly apiKey?: Redacted.Redacted | undefined
  /** The model's name, where it is known: some protocols answer questions about a model only by its name. */
  readonly model?: string | undefined
  /** Sent once, to see what comes back. Without it no image is sent. */
  readonly image?: ImageSource<R> | undefined
  /** For one question. 5 seconds by default. */
  readonly timeout?: Duration.Input | undefined
  /** For the image. 1 minute by default. */
  readonly imageTimeout?: Duration.Input | undefined
}

/** What became of the image that was sent. */
export interface Sample {
  readonly duration: Duration.Duration
  /** `undefined` where it failed. */
  readonly classes: ClassTable | undefined
  /** The service said that it does not take it: what it was sent by is not to be written down. */
  readonly refused: boolean
  /** Such as `48 x 32 pixels with a label map`, or why it failed. */
  readonly detail: string
}

export interface Finding {
  readonly url: string
  /** By the name that configuration calls it by; `undefined` where it speaks none that is known. */
  readonly protocol: Protocols.ProtocolName | undefined
  /**
   * `"sure"` where no other protocol answers so, `"likely"` where others might and two answers agree, `"possible"` where
   * one answer speaks for it.
   */
  readonly certainty: ProbeClue.Certainty | undefined
  /** The answers that speak for it. */
  readonly signs: ReadonlyArray<string>
  /** How it is for this caller: what an image would meet counts, not what the service says of itself alone. */
  readonly health: Health
  readonly model: string | undefined
  /** Empty where the service does not say. */
  readonly classes: ClassTable
  /** What it takes, in words; empty where it does not say. */
  readonly limits: ReadonlyArray<string>
  /** What would let this caller in, where it is kept out; or that a key belongs to the protocol. */
  readonly key: string | undefined
  /** It asks for a key, or for another than the one given. */
  readonly needsKey: boolean
  /** The median over all answers, from the request to the last byte. */
  readonly latency: Duration.Duration
  /** How many were sent: at most ten. */
  readonly requests: number
  readonly sample: Sample | undefined
  /** What a settings file says of it; `undefined` where too little is known, or an image was refused so. */
  readonly settings: ServiceSettings | undefined
  /** What is not known of how it is called, in words. */
  readonly lacks: string | undefined
  /** Where it is somebody's own: what they may write of it themselves, with places to fill in. */
  readonly byHand: ServiceSettings | undefined
  /** The layer to write, as TypeScript; `undefined` where there are no settings. */
  readonly layer: string | undefined
}

/** Requests that a probe sends at most. */
export const maxRequests = 10

/** Of these, what an image may need: the model's metadata, and the image itself. */
const reserved = 2

/** Of these, what is kept for the route that takes images, where none is sent. */
const spared = 1

/** Questions that may have no answer in their time, before no more is asked. */
const maxSilent = 2

/** Answers to questions are short; what is longer is none. */
const maxAnswer = 1024 * 1024

/** Finds out what is at an address. Fails where nothing answers at all. */
export const probe = Effect.fn("Probe.probe" satisfies SpanName)(function* <R = never>(
  url: string,
  options: ProbeOptions<R> = {}
): Effect.fn.Return<Finding, ServiceError, HttpClient.HttpClient | R> {
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
  const { apiKey, headers, image, model } = options
  const exchange = yield* Exchange.make({
    baseUrl: url,
    apiKey,
    headers,
    limits: { maxBodyBytes: maxAnswer, maxDecodedBytes: maxAnswer }
  }).pipe(Effect.provideService(HttpClient.HttpClient, client))
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "5 seconds")
  let questions = image === undefined ? maxRequests : maxRequests - reserved

  const clock = yield* Clock.Clock
  const end = clock.monotonicTimeNanosUnsafe() + BigInt(Math.round(2e6 * Duration.toMillis(timeout)))
  const answers = new Map<string, Exchange.Answer | undefined>()
  const took: Array<number> = []
  let silent = 0
  const failures: Array<ServiceError> = []
  const send = (call: Exchange.Call): Effect.Effect<Exchange.Answer | undefined> =>
    Effect.suspend(() => {
      const name = `${call.method} ${call.path}`
      if (answers.has(name)) return Effect.succeed(answers.get(name))
      // One that takes no connection will take no other.
      const left = Duration.nanos(end - clock.monotonicTimeNanosUnsafe())
      if (
        requests >= questions ||
        silent >= maxSilent ||
        failures.some(isAway) ||
        !Duration.isPositive(left)
      ) {
        return Effect.succeed(undefined)
      }
      const limit = Duration.min(timeout, left)
      const sent = Effect.result(Effect.timeoutOption(exchange.send(call, attemptOf(limit)), limit))
      return Effect.map(timed(sent), ([duration, result]) => {
        const answer = Result.isSuccess(result) ? Option.getOrUndefined(result.success) : undefined
        if (answer !== undefined) took.push(duration)
        else if (Result.isFailure(result)) failures.push(result.failure)
        else silent++
        answers.set(name, answer)
        return answer
      })
    })
  const answered = () => [...answers.values()].filter((answer) => answer !== undefined)
  const ask: ProbeClue.Ask = {
    get: (path) => send({ method: "GET", path, accept: "application/json, */*;q=0.5" }),
    post: (path, json) =>
      send({
        method: "POST",
        path,
        accept: "*/*",
        ...(json === undefined ? {} : { body: ProtocolBody.json(json) })
      }),
    answers: answered
  }

  if (image === undefined) questions -= spared
  const clue = yield* ProbeClues.find(url, ask, { model }, () => failures.some(isAway))
  if (image === undefined) questions += spared
  if (answered().length === 0) {
    const [failure] = failures
    return yield* failure === undefined
      ? ProbeWords.silence(exchange.service, timeout)
      : ProbeWords.told(failure)
  }

  const read = <A>({ call, read }: Question<A>): Effect.Effect<A | undefined> =>
    Effect.flatMap(ask.get(call.path), (answer) =>
      answer === undefined ? Effect.succeed(undefined) : Effect.orElseSucceed(read(answer), () => undefined)
    )
  const given = apiKey !== undefined || Object.keys(headers ?? {}).length > 0
  const settings = { ...clue?.settings, model: clue?.model ?? model, apiKey }
  const protocol = clue === undefined ? undefined : yield* madeBy(clue.protocol, settings)
  const health = clue?.health === undefined ? undefined : yield* read(clue.health)
  const entry = image === undefined && clue?.lacks === undefined ? protocol?.entry : undefined
  // Where the service wants its key in another header than the one that questions carry.
  const keyed =
    clue?.keyHeader === undefined || apiKey === undefined ? headers : { ...headers, [clue.keyHeader]: apiKey }
  const met =
    entry === undefined ? undefined : yield* send({ accept: "*/*", ...entry, headers: plainHeaders(keyed) })
  // Where the route of images is not known, one that was tried may have kept this caller out.
  const tried =
    clue?.lacks === undefined
      ? undefined
      : ["/predict", "/segment"].map((path) => answers.get(`POST ${path}`))
  const kept = tried?.find((answer) => answer !== undefined && [401, 402, 403, 407].includes(answer.status))
  const asked = met ?? kept
  const barred =
    asked === undefined || protocol === undefined
      ? undefined
      : yield* Access.barred(
          asked,
          kept === undefined ? protocol : Custom.make(),
          given,
          health === undefined && kept === undefined ? { answer: undefined } : undefined
        )
  const described =
    clue?.describe === undefined
      ? undefined
      : "call" in clue.describe
        ? yield* read(clue.describe)
        : clue.describe
  const sample =
    image === undefined || clue === undefined || protocol === undefined
      ? undefined
      : yield* sampleOf(protocol, image, url, { ...options, headers: keyed }).pipe(
          Effect.provideService(HttpClient.HttpClient, client)
        )
  const isTaken = met !== undefined && barred === undefined
  // A gateway that keeps other routes to itself asks nothing of who is let in at the one that counts.
  const locked = isTaken ? undefined : answered().find(({ status }) => status === 401)
  const key =
    barred !== undefined && [401, 403, 407].includes(barred.status)
      ? barred.detail
      : locked !== undefined
        ? Access.advice(locked, given)
        : clue?.needsKey === true && !given
          ? "it asks for one: set SEGFORMER_API_KEY"
          : undefined
  const needsKey =
    clue?.needsKey === true ||
    (locked !== undefined && /\bkey\b/.test(key ?? "") && !/cannot help/.test(key ?? ""))
  const isKnown =
    clue !== undefined && protocol !== undefined && clue.lacks === undefined && sample?.refused !== true
  const isBarred = barred !== undefined
  const named = clue?.protocol === "custom" ? undefined : (clue?.model ?? model)
  const found: ServiceSettings | undefined =
    isKnown && !(isBarred && barred.status === 405)
      ? {
          url: exchange.service,
          protocol: clue.protocol,
          ...clue.settings,
          ...(named === undefined ? {} : { model: named }),
          ...(clue.keyHeader === undefined ? {} : { keyHeader: clue.keyHeader })
        }
      : undefined
  const unknown =
    clue === undefined
      ? ProbeWords.unknown({ answers: answered(), silent, timeout, failures, given })
      : "it does not say"
  const state: Health = isBarred
    ? { healthy: false, detail: barred.detail }
    : sample?.refused === true
      ? { healthy: false, detail: sample.detail }
      : (health ??
        (isTaken || sample?.classes !== undefined
          ? { healthy: true, detail: "it takes requests, and does not say how it is" }
          : { healthy: false, detail: key ?? unknown }))
  // What the service says of itself may hold what we have told it.
  const { hide } = exchange
  const told = described?.name ?? clue?.model ?? (clue === undefined ? undefined : model)
  return {
    url: exchange.service,
    protocol: clue?.protocol,
    certainty: clue?.certainty,
    signs: (clue?.signs ?? []).map(hide),
    health: { healthy: state.healthy, detail: hide(state.detail) },
    model: told === undefined ? undefined : hide(told),
    classes: described?.classes ?? [],
    limits: (clue?.limits ?? []).map(hide),
    key: key === undefined ? undefined : hide(key),
    needsKey,
    latency: Duration.millis([...took].sort((a, b) => a - b)[took.length >> 1] ?? 0),
    requests: Math.min(requests, maxRequests),
    sample,
    settings: found,
    lacks: clue?.lacks,
    byHand:
      (clue === undefined && answered().some((answer) => ProbeClue.isOk(ask, answer))) ||
      (clue?.protocol === "custom" && clue.lacks !== undefined)
        ? {
            url: exchange.service,
            protocol: "custom",
            path: "/predict",
            part: "image",
            mask: "mask",
            ...clue?.settings
          }
        : undefined,
    layer:
      found === undefined || clue === undefined
        ? undefined
        : hide(ProbeLayer.code(exchange.service, clue, settings, needsKey))
  }
})

const plainHeaders = (headers: Exchange.ExchangeOptions["headers"] = {}): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
  )

/** The protocol by what was found; `undefined` where that is too little. */
const madeBy = (
  name: Protocols.ProtocolName,
  settings: Protocols.Settings
): Effect.Effect<Protocol | undefined> =>
  Effect.orElseSucceed(Protocols.all[name].make(settings), () => undefined)

/** Nobody is there, or no connection is made: more questions would only take longer. */
const isAway = (failure: ServiceError): boolean =>
  failure._tag === "InvalidUrl" || (failure._tag === "ConnectionFailed" && failure.sent === "no")

const attemptOf = (timeout: Duration.Duration): Attempt => {
  const callId = randomHex(16)
  return { callId, idempotencyKey: callId, number: 1, timeout, phase: "queued" }
}

const timed = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<readonly [milliseconds: number, value: A], E, R> =>
  Clock.clockWith((clock) =>
    Effect.suspend(() => {
      const started = millisOf(clock)
      return Effect.map(self, (value) => [millisOf(clock) - started, value])
    })
  )

/** Failures that say that a request as it was is not taken. */
const refusals = new Set(["RequestRejected", "NotFound", "Unauthorized"])

/** One image, one attempt: what comes back is told, and no failure of it is the probe's. */
const sampleOf = <R>(
  protocol: Protocol,
  image: ImageSource<R>,
  baseUrl: string,
  { apiKey, headers, imageTimeout = "1 minute" }: ProbeOptions<R>
): Effect.Effect<Sample, never, HttpClient.HttpClient | R> => {
  const attempt = Effect.gen(function* () {
    const transport = yield* SegFormerHttp.make({
      baseUrl,
      apiKey,
      headers,
      protocol,
      policy: { retry: false }
    })
    const segmentation = yield* Effect.provideService(segment(image), Transport, transport)
    const labelMap = yield* Effect.option(segmentation.labelMap)
    const found = Option.isSome(labelMap) ? new Set(LabelMap.histogram(labelMap.value).keys()) : undefined
    const what =
      found === undefined ? "no label map, only pictures" : `a label map of ${found.size} class(es)`
    return {
      classes: segmentation.classes.filter(({ id }) => found === undefined || found.has(id)),
      refused: false,
      detail: `${segmentation.width} x ${segmentation.height} pixels, ${what}`
    }
  })
  const limit = Duration.fromInputUnsafe(imageTimeout)
  const bounded = Effect.timeoutOrElse(Effect.scoped(attempt), {
    duration: limit,
    orElse: () => Effect.fail({ _tag: "Late", message: `it gave no result within ${Duration.format(limit)}` })
  })
  return Effect.map(timed(Effect.result(bounded)), ([milliseconds, result]): Sample => ({
    duration: Duration.millis(milliseconds),
    ...(Result.isSuccess(result)
      ? result.success
      : {
          classes: undefined,
          refused: refusals.has(result.failure._tag),
          detail: result.failure.message
        })
  }))
}
