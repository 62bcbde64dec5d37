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
import { type Crowd, type Seen, subjects } from "./storms/subjects.ts"

interface Storm {
  readonly name: string
  /** A new one for each subject. */
  readonly service: () => Service
  readonly crowd: Crowd
  /** When it is back, in milliseconds. */
  readonly back?: number
}

const atOnce = (calls: number): Crowd => ({ arrivals: Array.from({ length: calls }, () => 0) })
const steady = (perSecond: number, seconds: number): Crowd => ({
  arrivals: Storms.steady(perSecond, seconds)
})

const storms: ReadonlyArray<Storm> = [
  ...[1500, 5000].flatMap((pause) =>
    [1, 4, 10, 50].map((calls) => ({
      name: `away for ${pause / 1000} s, ${calls} ${calls === 1 ? "call" : "calls at once"}`,
      service: () => Storms.away(0, pause),
      crowd: atOnce(calls),
      back: pause
    }))
  ),
  {
    name: "away for 5 s, 20 calls a second",
    service: () => Storms.away(10_000, 15_000),
    crowd: steady(20, 30),
    back: 15_000
  },
  ...[1, 5, 20].flatMap((perSecond) => {
    const service = () => Storms.limited(perSecond, { status: 429 })
    const name = `grants ${perSecond} a second`
    return [
      { name: `${name}, 60 calls at once`, service, crowd: atOnce(60) },
      { name: `${name}, 60 images, 4 at once`, service, crowd: { images: 60, atOnce: 4 } }
    ]
  }),
  {
    name: "dead for 10 minutes, 20 calls a second for 12",
    service: () => Storms.away(0, 600_000),
    crowd: steady(20, 720),
    back: 600_000
  },
  {
    name: "one in ten fails, 2,000 calls, 20 a second",
    service: () => Storms.flaky(0.1, randomFrom(1)),
    crowd: steady(20, 100)
  },
  { name: "29 s for each answer, 60 calls at once", service: () => Storms.slow(29_000), crowd: atOnce(60) }
]

export const run = async (report: Report): Promise<void> => {
  for (const { back, crowd, name, service } of storms) {
    const seen = new Map<string, Seen>()
    for (const [subject, play] of Object.entries(subjects)) seen.set(subject, await play(service(), crowd))
    const [ours] = seen.values()
    for (const [subject, { requests, settled, succeeded }] of seen) {
      const tell = (metric: string, unit: string, value: number) =>
        report({ bench: "storms", case: name, subject, metric, unit, value })
      tell("succeeded", "calls", succeeded)
      tell("requests", "requests", requests.length)
      tell("time to settle", "s", settled / 1000)
      if (back !== undefined) tell("herd after return", "requests/s", Storms.densest(requests, 1000, back))
      if (ours !== undefined && succeeded > ours.succeeded && requests.length <= ours.requests.length) {
        throw new Error(`${name}: ${subject} succeeds more often, with no more requests`)
      }
    }
  }
}
