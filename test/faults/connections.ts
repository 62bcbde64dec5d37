/** Rows: connections that break, and answers that take their time. */
import assert from "node:assert/strict"
import { Effect } from "effect"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { ends, waits, short, tags } from "./expect.ts"
import { good, quick, type Scenario } from "./Harness.ts"

export const connections: ReadonlyArray<Scenario> = [
  {
    fault: "the port is closed",
    script: [good],
    act: (call, server) =>
      Effect.andThen(
        server.down,
        Effect.map(Effect.exit(call), (exit) => [exit])
      ),
    holds: (seen) => {
      tags(seen, "ConnectionFailed")
      assert.ok(seen.errors.every((error) => error._tag === "ConnectionFailed" && error.sent === "no"))
      assert.ok(seen.millis > 20 + 40 + 80, "three retries take their delays")
    }
  },
  {
    fault: "two connections reset as they are accepted, the third is fine",
    script: [good],
    service: { resetOnAccept: 2 },
    holds: (seen) => {
      tags(seen, "success")
      assert.equal(seen.connections, 3)
    }
  },
  {
    fault: "reset before headers, for ever",
    script: [Faulty.resetBeforeHeaders],
    holds: ends("ConnectionFailed", 4)
  },
  {
    fault: "reset before headers, once",
    script: [Faulty.resetBeforeHeaders, good],
    holds: ends("success", 2)
  },
  {
    fault: "reset in the middle of a body, for ever",
    script: [Faulty.resetInBody()],
    holds: ends("ConnectionFailed", 4)
  },
  {
    fault: "reset in the middle of a body, fetch",
    client: "fetch",
    script: [Faulty.resetInBody()],
    holds: ends("ConnectionFailed", 4)
  },
  {
    fault: "the body ends 100 bytes early",
    script: [Faulty.truncate({ body: '{"success":true}', missing: 100 })],
    holds: ends("ConnectionFailed", 4)
  },
  { fault: "an SSH server answers", script: [Faulty.garbage()], holds: ends("ConnectionFailed", 1) }
]

export const time: ReadonlyArray<Scenario> = [
  ...(["undici", "fetch"] as const).map((client): Scenario => ({
    fault: `headers arrive, the body stalls, ${client}`,
    client,
    closes: true,
    script: [Faulty.stall()],
    http: { policy: short },
    holds: (seen) => (ends("TimedOut", 1)(seen), waits(seen, 300))
  })),
  {
    fault: "no answer at all",
    script: [Faulty.silence],
    http: { policy: short },
    holds: (seen) => (ends("TimedOut", 1)(seen), waits(seen, 300))
  },
  {
    fault: "the body drips, a byte every 20 ms",
    script: [Faulty.drip("x".repeat(10_000), "20 millis")],
    http: { policy: short },
    holds: (seen) => (ends("TimedOut", 1)(seen), waits(seen, 300))
  },
  {
    fault: "the body stalls four times",
    script: [Faulty.stall()],
    http: { policy: { attemptTimeout: "150 millis", retry: { delay: "20 millis" } } },
    holds: (seen) => (ends("TimedOut", 4)(seen), waits(seen, 4 * 150 + 20 + 40 + 80))
  },
  {
    fault: "no answer, a deadline over all attempts",
    script: [Faulty.silence],
    http: { policy: { ...quick, deadline: "400 millis" } },
    holds: (seen) => {
      tags(seen, "TimedOut")
      waits(seen, 400)
    }
  },
  {
    fault: "slow start: 300 ms, then fine",
    script: [Faulty.delay("300 millis", good)],
    holds: ends("success", 1)
  }
]
