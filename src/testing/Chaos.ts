/**
 * Chaos at the seam: a transport that fails and dawdles by chance, the same way for the same seed, around the one it is
 * given. The policy stands outside of it, so that a program sees what is left after retries.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ImageSource, segment } from "effect-segformer"
 * import { Chaos, Fixtures, SegFormerTest } from "effect-segformer/testing"
 *
 * const steady = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction), { policy: { retry: false } })
 * const transport = Chaos.layer({ seed: 1, failure: 1 }).pipe(Layer.provide(steady))
 * const call = Effect.flip(segment(ImageSource.bytes(Fixtures.image)))
 * const error = await Effect.runPromise(Effect.provide(call, transport))
 * error.isRetryable // => true
 * ```
 */
import { Duration, Effect, Layer } from "effect"
import * as Range from "../policy/Range.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import { ConnectionFailed, RateLimited, ServiceFailed, ServiceUnavailable } from "../service/ServiceError.ts"
import { Transport } from "../Transport.ts"

export interface ChaosOptions {
  /** The same seed gives the same misfortunes, attempt by attempt in the order in which they start. */
  readonly seed: number
  /** Share of attempts that fail before any work is done, from 0 to 1. 0 by default. */
  readonly failure?: number | undefined
  /** Share of attempts whose work is done and whose answer is lost. 0 by default. */
  readonly lost?: number | undefined
  /** Share of attempts that never end by themselves. 0 by default. */
  readonly stall?: number | undefined
  /** Each attempt takes at least and at most so much longer. None by default. */
  readonly latency?: readonly [Duration.Input, Duration.Input] | undefined
  /** How attempts fail, each as likely: broken connections, 429 and 5xx by default. */
  readonly errors?: readonly [Misfortune, ...ReadonlyArray<Misfortune>] | undefined
}

/** A failure of a service by this name. */
export type Misfortune = (service: string) => SegmentationError

const detail = "by chance"

const usual: readonly [Misfortune, ...ReadonlyArray<Misfortune>] = [
  (service) => new ConnectionFailed({ service, code: "ECONNREFUSED", phase: "sending", sent: "no", detail }),
  (service) => new ConnectionFailed({ service, code: "ECONNRESET", phase: "sending", sent: "maybe", detail }),
  (service) => new RateLimited({ service, status: 429, detail }),
  (service) => new ServiceFailed({ service, status: 500, detail }),
  (service) => new ServiceUnavailable({ service, status: 503, detail })
]

/** Numbers from 0 to below 1 that follow from the seed (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Throws `RangeError` unless the shares are shares, also together, and the latency is from less to more. */
const check = ({ failure = 0, latency, lost = 0, stall = 0 }: ChaosOptions): void => {
  for (const [name, share] of Object.entries({ failure, lost, stall })) {
    if (!Range.isWithin(aShare, share))
      throw new RangeError(`Chaos: \`${name}\` must be ${Range.words(aShare)}, but is ${Range.shown(share)}`)
  }
  const all = failure + lost + stall
  // 0.1 + 0.2 + 0.7 is a little more than 1.
  if (all > 1 + 1e-9)
    throw new RangeError(
      `Chaos: \`failure\`, \`lost\` and \`stall\` together must be at most 1, but are ${all}`
    )
  if (latency === undefined) return
  const [least, most] = latency.map((each) => Duration.fromInputUnsafe(each))
  if (Duration.isGreaterThan(least!, most!))
    throw new RangeError(
      `Chaos: \`latency\` must be from less to more, but is ${Duration.format(least!)} to ${Duration.format(most!)}`
    )
}
const aShare: Range.Range = { least: 0, most: 1 }

/** The transport of the context, with misfortunes. Throws `RangeError` for shares that are none. */
export const layer = (options: ChaosOptions): Layer.Layer<Transport, never, Transport> => {
  check(options)
  return Layer.effect(
    Transport,
    Effect.map(Transport, (steady) => Transport.of({ ...steady, predict: predict(steady, options) }))
  )
}

const predict = (
  steady: Transport["Service"],
  { errors = usual, failure = 0, latency, lost = 0, seed, stall = 0 }: ChaosOptions
): Transport["Service"]["predict"] => {
  const next = random(seed)
  const [least, most] = (latency ?? [0, 0]).map((each) => Duration.toMillis(each))
  return (request, attempt) =>
    Effect.suspend(() => {
      // Drawn together, so that an attempt's fate depends on its turn alone.
      const [fate, kind, wait] = [next(), next(), next()]
      const error = errors[Math.floor(kind * errors.length)] ?? errors[0]
      const late = (least ?? 0) + wait * ((most ?? 0) - (least ?? 0))
      const fail = Effect.suspend(() => Effect.fail(error(steady.name)))
      if (fate < stall) {
        attempt.phase = "waiting"
        return Effect.never
      }
      const outcome =
        fate < stall + failure
          ? fail
          : fate < stall + failure + lost
            ? Effect.andThen(steady.predict(request, attempt), fail)
            : steady.predict(request, attempt)
      return late === 0 ? outcome : Effect.delay(outcome, late)
    })
}
