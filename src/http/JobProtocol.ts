/**
 * What protocols share whose predictions are jobs: a policy for each of their requests, one job a call whatever the
 * policy around it says, and outputs that are files elsewhere.
 */
import { Effect } from "effect"
import type { Image } from "../image/ImageSource.ts"
import type { JobClientOptions } from "../jobs/JobClient.ts"
import type { Attempt } from "../policy/Attempt.ts"
import type { Policy, PolicyOptions } from "../policy/Policy.ts"
import type { Pictures, Prediction } from "../Prediction.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer, Exchange } from "../service/Exchange.ts"
import type { Hosts } from "../service/Hosts.ts"
import * as MaskAnswer from "./MaskAnswer.ts"
import * as MaskDecoding from "./MaskDecoding.ts"
import * as Errors from "./protocol/Errors.ts"

/** Policies of a job's requests, its pace and its deadline, which is 10 minutes unless given. */
export type JobOptions = JobClientOptions

/** The transport's policy for each request of a job; what counts calls and not requests stays with the transport. */
const perRequest = (policy: Policy): PolicyOptions => ({
  ...policy,
  attemptTimeout: policy.attemptTimeout ?? false,
  retryBudget: policy.retryBudget ?? false,
  deadline: false,
  breaker: false
})

/** The options of a client: the transport's policy for every request, changed by those of its kind. */
export const clientOptions = (options: JobOptions, policy: Policy): JobClientOptions => {
  const request = perRequest(policy)
  return {
    deadline: "10 minutes",
    interval: "1 second",
    maxInterval: "5 seconds",
    ...options,
    submit: { ...request, ...options.submit, breaker: false },
    status: { ...request, ...options.status, breaker: false },
    result: { ...request, ...options.result, breaker: false }
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

/** Fields of an output that usually hold its mask. */
const usualFields = ["label_map", "segmentation_mask", "mask", "segmentation", "output", "image"]

const placeOf = (output: unknown, options: OutputOptions): string => {
  if (options.mask?.at !== undefined) return options.mask.at
  if (Array.isArray(output)) return typeof output[0] === "string" ? "0" : ""
  if (!Errors.isRecord(output)) return ""
  const { pictures } = options
  const taken = [pictures?.overlay, pictures?.combined, pictures?.mask]
  const known = usualFields.find((field) => typeof output[field] === "string" && !taken.includes(field))
  const others = Object.keys(output).filter((field) => !taken.includes(field))
  return known ?? (others.length === 1 ? others[0]! : "")
}

const isAddress = (value: unknown): value is string =>
  typeof value === "string" && /^https?:\/\//i.test(value)

/** A file of the output, within the limits of the exchange. Our key goes along to the service's own origin only. */
const download = (exchange: Exchange, url: string, hosts: Hosts | undefined, attempt: Attempt) =>
  Effect.flatMap(exchange.fetch(url, attempt, { accept: "image/*, */*;q=0.5", hosts }), (file) =>
    Errors.ok(file)
  )

/** The prediction in the output of a job: what it holds itself, and the files that it names. */
export const readOutput = Effect.fnUntraced(function* (
  exchange: Exchange,
  answer: Answer,
  output: unknown,
  image: Image,
  options: OutputOptions,
  attempt: Attempt
): Effect.fn.Return<Prediction, SegmentationError> {
  const pictures: { -readonly [K in keyof Pictures]: Pictures[K] } = {}
  for (const kind of ["overlay", "combined", "mask"] as const) {
    const at = options.pictures?.[kind]
    const value = at === undefined ? undefined : MaskAnswer.valueAt(output, at)
    if (at === undefined || value === undefined || value === null) continue
    if (typeof value !== "string") {
      return yield* Decode.notDecodable(answer, `output.${at}`, "it is neither an address nor a data URL")
    }
    pictures[kind] = isAddress(value)
      ? (yield* download(exchange, value, options.hosts, attempt)).body
      : yield* MaskDecoding.textToBytes(answer, `output.${at}`, value)
  }
  const common = { pictures, requestId: answer.requestId }
  if (options.pictures !== undefined && options.mask === undefined && Object.keys(pictures).length > 0) {
    const { height, width } = image
    return { ...common, _tag: "Rendered", width, height, classes: MaskDecoding.classesOf(options) }
  }
  const place = placeOf(output, options)
  const value = MaskAnswer.valueAt(output, place)
  const path = place === "" ? "output" : `output.${place}`
  attempt.phase = "decoding"
  if (!isAddress(value)) {
    return { ...(yield* MaskAnswer.fromValue(answer, path, value, image, options)), ...common }
  }
  const file = yield* download(exchange, value, options.hosts, attempt)
  const labelMap = yield* MaskDecoding.fromPng(file, "", file.body, image, options)
  return { ...common, _tag: "Labels", labelMap, classes: MaskDecoding.classesOf(options) }
})
