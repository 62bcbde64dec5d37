/** What `storms` uses of its peers, which are installed with the first benchmark: types are checked without them. */

declare module "@sinonjs/fake-timers" {
  interface Clock {
    readonly tickAsync: (milliseconds: number) => Promise<number>
    readonly uninstall: () => void
  }
  const FakeTimers: {
    readonly install: (options: { readonly now: number; readonly toFake: ReadonlyArray<string> }) => Clock
  }
  export default FakeTimers
}

declare module "cockatiel" {
  interface Policy {
    readonly execute: <A>(work: () => Promise<A>) => Promise<A>
  }
  interface Handled {
    readonly isHandled: unique symbol
  }
  interface Backoff {
    readonly isBackoff: unique symbol
  }
  interface Breaker {
    readonly isBreaker: unique symbol
  }
  export const handleAll: Handled
  export const noJitterGenerator: unique symbol
  export const ExponentialBackoff: new (options: {
    readonly initialDelay: number
    readonly exponent: number
    readonly generator: typeof noJitterGenerator
  }) => Backoff
  export const ConsecutiveBreaker: new (failures: number) => Breaker
  export const TimeoutStrategy: { readonly Aggressive: "aggressive" }
  export const retry: (
    on: Handled,
    options: { readonly maxAttempts: number; readonly backoff: Backoff }
  ) => Policy
  export const circuitBreaker: (
    on: Handled,
    options: { readonly halfOpenAfter: number; readonly breaker: Breaker }
  ) => Policy
  export const timeout: (milliseconds: number, strategy: "aggressive") => Policy
  export const wrap: (...policies: ReadonlyArray<Policy>) => Policy
}

declare module "opossum" {
  export default class CircuitBreaker<Arguments extends ReadonlyArray<unknown>, A> {
    constructor(
      action: (...given: Arguments) => Promise<A>,
      options: {
        readonly timeout: number
        readonly resetTimeout: number
        readonly volumeThreshold: number
      }
    )
    fire(...given: Arguments): Promise<A>
    readonly opened: boolean
  }
}

declare module "p-limit" {
  export default function pLimit(atOnce: number): <A>(work: () => Promise<A>) => Promise<A>
}

declare module "p-retry" {
  export default function pRetry<A>(
    work: () => Promise<A>,
    options: {
      readonly retries: number
      readonly minTimeout: number
      readonly factor: number
      readonly randomize: boolean
      readonly shouldRetry?: () => boolean
    }
  ): Promise<A>
}
