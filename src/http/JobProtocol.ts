/**
 * What protocols share whose predictions are jobs: a policy for each of their requests, one job a call whatever the
 * policy around it says, and outputs that are files elsewhere.
 */
import { type Duration, Effect } from "effect"
import type { Image } from "../image/ImageSource.ts"
import * as JobClient from "../jobs/JobClient.ts"
import type { MaskNotDecodable } from "../mask/MaskError.ts"
import type { Attempt } from "../policy/Attempt.ts"
import type { Policy, PolicyOptions } from "../policy/Policy.ts"
import type { Failure } from "../policy/PolicyRunner.ts"
import type { Pictures, Prediction } from "../Prediction.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer, Exchange } from "../service/Exchange.ts"
import type { Hosts } from "../service/Hosts.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import * as EncodedPicture from "./EncodedPicture.ts"
import * as MaskAnswer from "./MaskAnswer.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import * as MaskPaths from "./MaskPaths.ts"
import * as Errors from "./protocol/Errors.ts"

/** Policies of a job's requests, its pace and its deadline, which is 10 minutes unless given. */
export type JobOptions = JobClient.JobClientOptions

/** The options of a client: the transport's policy for every request, changed by those of its kind. */
const clientOptions = (options: JobOptions, policy: Policy): JobClient.JobClientOptions => {
  // What counts calls and not requests stays with the transport.
  const request: PolicyOptions = {
    ...policy,
    attemptTimeout: policy.attemptTimeout ?? false,
    retryBudget: policy.retryBudget ?? false,
    deadline: false,
    breaker: false
  }
  return {
    deadline: "10 minutes",
    interval: "1 second",
    maxInterval: "5 seconds",
    ...options,
    submit: { ...request, ...options.submit, breaker: false },
    // Questions cost nothing, however often they are asked.
    status: { ...request, resend: "always", ...options.status, breaker: false },
    result: { ...request, resend: "always", ...options.result, breaker: false }
  }
}

/** Failures that are remembered, to be given again. */
const remembered = 1000

/** One job a call: an attempt of a call whose job has failed already fails the same way, and starts nothing. */
export const makeOnce = <A, E extends SegmentationError>() => {
  const failures = new Map<string, E>()
  return (
    attempt: Attempt,
    run: (started: Effect.Effect<void>) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const before = failures.get(attempt.callId)
      if (before !== undefined) return Effect.fail(before)
      let hasStarted = false
      const job = run(Effect.sync(() => void (hasStarted = true)))
      return Effect.tapError(job, (error) =>
        Effect.sync(() => {
          if (!hasStarted) return
          failures.set(attempt.callId, error)
          if (failures.size > remembered) failures.delete([...failures.keys()][0]!)
        })
      )
    })
}

export interface OutputOptions extends MaskAnswer.MaskAnswerOptions {
  /** Hosts besides the service's own that its output may lie on, such as `*.replicate.delivery`. */
  readonly hosts?: Hosts | undefined
}

/** Where in an output its mask is; `undefined` where that is open. */
const placeOf = (output: unknown, options: OutputOptions): string | undefined => {
  if (options.mask?.at !== undefined) return options.mask.at
  if (Array.isArray(output) && typeof output[0] === "string") return output.length === 1 ? "0" : undefined
  if (!Errors.isRecord(output)) return ""
  const { pictures } = options
  const taken = new Set([pictures?.overlay, pictures?.combined, pictures?.mask])
  const others = Object.entries(output).filter(([field]) => !taken.has(field))
  const found = MaskPaths.find(Object.fromEntries(others))
  return found ?? (others.length === 1 ? others[0]![0] : undefined)
}

const isAddress = (value: unknown): value is string =>
  typeof value === "string" && /^https?:\/\//i.test(value)

/** Files that an output names, by their place in it. */
export type Files = ReadonlyMap<string, Answer>

/** An output with its files that the options ask for. Our key goes along to the service's own origin only. */
export const fetchFiles = Effect.fnUntraced(function* (
  exchange: Exchange,
  given: Output,
  options: OutputOptions,
  attempt: Attempt
): Effect.fn.Return<Result, ServiceError> {
  const output = yield* MaskPaths.unwrapped(given.value)
  const { pictures } = options
  const places: Array<string | undefined> = [pictures?.overlay, pictures?.combined, pictures?.mask]
  if (pictures === undefined || options.mask !== undefined) places.push(placeOf(output, options))
  const files = new Map<string, Answer>()
  for (const place of places) {
    const address = place === undefined ? undefined : MaskPaths.valueAt(output, place)
    if (place === undefined || !isAddress(address) || files.has(place)) continue
    const file = yield* exchange.fetch(address, attempt, {
      accept: "image/*, */*;q=0.5",
      hosts: options.hosts
    })
    files.set(place, yield* Errors.ok(file, (answer) => ({ ...Errors.read(answer), file: true })))
  }
  return { ...given, files }
})

/** The prediction in the output of a job: from what it holds itself, and from the files that it names. */
export const readOutput = Effect.fnUntraced(function* (
  { answer, files, took: serviceTime, value }: Result,
  image: Image,
  options: OutputOptions
): Effect.fn.Return<Prediction, ServiceError | MaskNotDecodable> {
  const output = yield* MaskPaths.unwrapped(value)
  const pictures: { -readonly [K in keyof Pictures]: Pictures[K] } = {}
  for (const kind of ["overlay", "combined", "mask"] as const) {
    const at = options.pictures?.[kind]
    const value = at === undefined ? undefined : MaskPaths.valueAt(output, at)
    if (at === undefined || value === undefined || value === null) continue
    if (typeof value !== "string") {
      return yield* Decode.notDecodable(answer, pathOf(at), "it is neither an address nor a data URL")
    }
    pictures[kind] = files.get(at)?.body ?? (yield* EncodedPicture.textToBytes(answer, pathOf(at), value))
  }
  const common = { pictures, requestId: answer.requestId, serviceTime }
  const classes = MaskDecoding.classesOf(options)
  if (options.pictures !== undefined && options.mask === undefined && Object.keys(pictures).length > 0) {
    return { ...common, _tag: "Rendered", width: image.width, height: image.height, classes }
  }
  const place = placeOf(output, options)
  if (place === undefined) {
    const several = Array.isArray(output) ? `it has ${output.length} files` : "there is no mask"
    const detail = `${several}. Say with \`mask.at\` which one the mask is, such as "${Array.isArray(output) ? "0" : "mask"}"`
    return yield* Decode.notDecodable(answer, "output", detail, Decode.quoted(output))
  }
  const file = files.get(place)
  if (file !== undefined) {
    return { ...(yield* MaskAnswer.fromFile(file, "", file.body, image, options)), ...common }
  }
  yield* MaskAnswer.refuseFailed(answer, { output }, pathOf(place))
  return { ...(yield* MaskAnswer.at(answer, { output }, pathOf(place), image, options)), ...common }
})

const pathOf = (place: string): string => (place === "" ? "output" : `output.${place}`)

/** What a prediction that succeeded says of itself. */
export interface Output {
  /** The answer it came in. */
  readonly answer: Answer
  /** As the model gives it. */
  readonly value: unknown
  readonly took: Duration.Duration | undefined
}

/** An output with the files it names. */
export interface Result extends Output {
  readonly files: Files
}

/** Clients of jobs by service, so that all calls of a protocol share what their policies know. */
export const clientsOf = <Input, E extends Failure>(
  contract: (exchange: Exchange) => JobClient.JobContract<Input, Output, Result, E>,
  optionsOf: (policy: Policy) => JobOptions
) => {
  const clients = new WeakMap<Exchange, JobClient.JobClient<Input, Output, Result, E>>()
  return (
    exchange: Exchange,
    policy: Policy
  ): Effect.Effect<JobClient.JobClient<Input, Output, Result, E>> => {
    const known = clients.get(exchange)
    if (known !== undefined) return Effect.succeed(known)
    // Without a breaker a client holds nothing that would end with the scope.
    const made = Effect.scoped(JobClient.make(contract(exchange), clientOptions(optionsOf(policy), policy)))
    return Effect.tap(made, (client) => Effect.sync(() => void clients.set(exchange, client)))
  }
}
