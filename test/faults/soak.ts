/**
 * 10,000 calls with faults and interruptions at random, the same for the same seed: each settles in a success or a tag,
 * and nothing is left over.
 */
import { Effect, Fiber } from "effect"
import { Chaos } from "effect-segformer/testing"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { good, type Line, play, scenario } from "./Harness.ts"

const calls = 10_000
const lanes = 64
const seed = 20_260_101

const random = Chaos.random(seed)

const faults: ReadonlyArray<Faulty.Fault> = [
  Faulty.resetBeforeHeaders,
  Faulty.lostAnswer,
  Faulty.resetInBody(),
  Faulty.truncate({ body: "{", missing: 5 }),
  Faulty.stall(),
  Faulty.silence,
  Faulty.garbage(),
  Faulty.refuse(503),
  Faulty.refuse(500),
  Faulty.refuse(429, "0"),
  Faulty.refuse(401),
  Faulty.refuse(404),
  Faulty.answer({ body: "<html>" }),
  Faulty.json({ success: false, error: "no light" }),
  Faulty.delay("20 millis", good),
  Faulty.redirect("http://elsewhere.invalid/")
]

/** Three requests of five are answered well. */
const script = () => (random() < 0.6 ? good : (faults[Math.floor(random() * faults.length)] ?? good))

const row = scenario({
  fault: `soak: faults and interruptions at random, seed ${seed}`,
  calls,
  script,
  http: {
    policy: { attemptTimeout: "100 millis", retry: { delay: "5 millis" }, concurrency: lanes, breaker: false }
  },
  act: (segmenting) => {
    // What comes back is not kept: this is about what is left behind.
    const call = Effect.asVoid(segmenting)
    return Effect.forEach(
      Array.from({ length: calls }, () => (random() < 0.1 ? random() * 30 : undefined)),
      (patience) =>
        patience === undefined
          ? Effect.exit(call)
          : Effect.gen(function* () {
              const fiber = yield* Effect.forkChild(call)
              yield* Effect.sleep(patience)
              yield* Fiber.interrupt(fiber)
              return yield* Fiber.await(fiber)
            }),
      { concurrency: lanes }
    )
  },
  holds: (seen) => {
    if (seen.tags.length !== calls) throw new Error(`${seen.tags.length} of ${calls} calls settled`)
    if (seen.tags.includes("defect"))
      throw new Error(`a call died: ${String(seen.exits[seen.tags.indexOf("defect")])}`)
    for (const tag of ["success", "interrupted"]) {
      if (!seen.tags.includes(tag)) throw new Error(`no call ended in ${tag}`)
    }
  }
})

export const soak = (): Promise<Line> => play(row)
