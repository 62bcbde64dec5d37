/**
 * Services in trouble, and what becomes of the calls to them: how many succeed, the requests that it takes, the time until the
 * last call has ended, and the most requests in any second after a service has come back. Simulated: no time passes, and the
 * figures are the same each time.
 *
 * It ends with an error where a peer succeeds more often with no more requests.
 */
import { randomFrom, type Service } from "../support/Storms.ts"
import * as Storms from "../support/Storms.ts"
import type { Report } from "./Report.ts"
import { type Crowd, subjects } from "./storms/subjects.ts"

interface Storm {
  readonly name: string
  /** A new one for each subject, and when it is back, in milliseconds. */
  readonly service: () => {
    readonly ask: Service
    readonly back?: () => number
    readonly until?: () => number
  }
  readonly crowd: Crowd
}

/**
 * Away until then, and half a minute longer than the first request after that: where in its minute a circuit stands when a
 * service returns is chance, and this is the middle. What comes later than a minute and a half after that is not counted.
 */
const dead = (until: number) => {
  let back = Number.POSITIVE_INFINITY
  const ask: Service = (now) => {
    if (now >= until && back === Number.POSITIVE_INFINITY) back = now + 30_000
    return now < back ? { status: 0, takes: 1 } : { status: 200, takes: 20 }
  }
  return { ask, back: () => back, until: () => back + 90_000 }
}
const away = (from: number, to: number) => ({ ask: Storms.away(from, to), back: () => to })

const atOnce = (calls: number): Crowd => ({ arrivals: Array.from({ length: calls }, () => 0) })
const steady = (perSecond: number, seconds: number): Crowd => ({
  arrivals: Storms.steady(perSecond, seconds)
})

const storms: ReadonlyArray<Storm> = [
  ...[1500, 5000].flatMap((pause) =>
    [1, 4, 10, 50].map((calls) => ({
      name: `away for ${pause / 1000} s, ${calls} ${calls === 1 ? "call" : "calls at once"}`,
      service: () => away(0, pause),
      crowd: atOnce(calls)
    }))
  ),
  {
    name: "away for 5 s, 20 calls a second",
    service: () => away(10_000, 15_000),
    crowd: steady(20, 30)
  },
  ...[1, 5, 20].flatMap((perSecond) => {
    const service = () => ({ ask: Storms.limited(perSecond, { status: 429 }) })
    const name = `grants ${perSecond} a second`
    return [
      { name: `${name}, 60 calls at once`, service, crowd: atOnce(60) },
      { name: `${name}, 60 images, 4 at once`, service, crowd: { images: 60, atOnce: 4 } }
    ]
  }),
  {
    name: "dead for 10 minutes, 20 calls a second",
    service: () => dead(600_000),
    crowd: steady(20, 790)
  },
  {
    name: "one in ten fails, 2,000 calls, 20 a second",
    service: () => ({ ask: Storms.flaky(0.1, randomFrom(1)) }),
    crowd: steady(20, 100)
  },
  {
    name: "29 s for each answer, 60 calls at once",
    service: () => ({ ask: Storms.slow(29_000) }),
    crowd: atOnce(60)
  }
]

export const run = async (report: Report): Promise<void> => {
  for (const { crowd, name, service } of storms) {
    const seen = new Map<string, { readonly succeeded: number; readonly requests: number }>()
    for (const [subject, play] of Object.entries(subjects)) {
      const { ask, back, until = () => Number.POSITIVE_INFINITY } = service()
      const found = await play(ask, crowd)
      const requests = found.requests.filter((at) => at < until())
      const calls = found.calls.filter(({ began }) => began < until())
      const succeeded = calls.filter((call) => call.succeeded).length
      const tell = (metric: string, unit: string, value: number) =>
        report({ bench: "storms", case: name, subject, metric, unit, value })
      tell("succeeded", "calls", succeeded)
      tell("requests", "requests", requests.length)
      if (back === undefined) {
        tell("time to settle", "s", Math.max(...calls.map(({ ended }) => ended)) / 1000)
      } else {
        // Of what was away: from its return to the last call that meets what it left behind.
        const late = calls.filter(({ ended, succeeded }) => !succeeded && ended >= back())
        const settled = [...late, ...calls.filter(({ began, succeeded }) => succeeded && began < back())]
        tell("time to settle", "s", Math.max(0, ...settled.map(({ ended }) => ended - back())) / 1000)
        tell("herd after return", "requests/s", Storms.densest(requests, 1000, back()))
      }
      seen.set(subject, { succeeded, requests: requests.length })
    }
    const [ours, ...peers] = seen
    for (const [peer, { requests, succeeded }] of peers) {
      if (ours === undefined || succeeded <= ours[1].succeeded) continue
      if (requests > ours[1].requests) continue
      throw new Error(`${name}: ${peer} succeeds more often, with no more requests`)
    }
  }
}
