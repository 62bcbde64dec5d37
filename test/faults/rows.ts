/** The rows that one process can check: connections, time, answers, statuses, Retry-After, load, doing things once. */
import assert from "node:assert/strict"
import { Clock, Duration, Effect, Exit, Fiber, Redacted } from "effect"
import { ImageSource, Transport } from "effect-segformer"
import { HuggingFace, Inspection, TfServing } from "effect-segformer/http"
import { Palette } from "effect-segformer/mask"
import { encode } from "fast-png"
import * as NodeAddressGuard from "../../src/service/NodeAddressGuard.ts"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { uploadAnswer } from "../http/servers/InspectionServer.ts"
import { eventually, good, quick, type Row, scenario, type Scenario, type Seen, watch } from "./Harness.ts"

const tags = (seen: Seen, ...expected: ReadonlyArray<string>) =>
  assert.deepEqual([...new Set(seen.tags)], expected)
const attempts = (seen: Seen, expected: number) => assert.equal(seen.requests.length, expected, "attempts")
/** One call that fails with a tag after so many attempts. */
const ends = (tag: string, expected: number) => (seen: Seen) => {
  tags(seen, tag)
  attempts(seen, expected)
}
/** Not before, and within 100 ms after, but for what the machine itself took. */
const settles = (seen: Seen, limit: number) => {
  assert.ok(seen.millis >= limit - 20, `settled after ${seen.millis} ms, before ${limit}`)
  assert.ok(
    seen.millis <= limit + 100 + seen.heldUp,
    `settled after ${seen.millis.toFixed(0)} ms, not ${limit} + 100 (held up ${seen.heldUp.toFixed(0)})`
  )
}
/** Milliseconds between the requests that the service saw. */
const gaps = ({ requests }: Seen) => requests.slice(1).map(({ at }, i) => at - requests[i]!.at)

const once = { ...quick, retry: false } as const
const short = { attemptTimeout: "300 millis", retry: false } as const

const connections: ReadonlyArray<Scenario> = [
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
  { fault: "an SSH server answers", script: [Faulty.garbage()], holds: ends("ConnectionFailed", 4) }
]

const time: ReadonlyArray<Scenario> = [
  ...(["undici", "fetch"] as const).map((client): Scenario => ({
    fault: `headers arrive, the body stalls, ${client}`,
    client,
    closes: true,
    script: [Faulty.stall()],
    http: { policy: short },
    holds: (seen) => (ends("TimedOut", 1)(seen), settles(seen, 300))
  })),
  {
    fault: "no answer at all",
    script: [Faulty.silence],
    http: { policy: short },
    holds: (seen) => (ends("TimedOut", 1)(seen), settles(seen, 300))
  },
  {
    fault: "the body drips, a byte every 20 ms",
    script: [Faulty.drip("x".repeat(10_000), "20 millis")],
    http: { policy: short },
    holds: (seen) => (ends("TimedOut", 1)(seen), settles(seen, 300))
  },
  {
    fault: "the body stalls four times",
    script: [Faulty.stall()],
    http: { policy: { attemptTimeout: "150 millis", retry: { delay: "20 millis" } } },
    holds: (seen) => (ends("TimedOut", 4)(seen), settles(seen, 4 * 150 + 20 + 40 + 80))
  },
  {
    fault: "no answer, a deadline over all attempts",
    script: [Faulty.silence],
    http: { policy: { ...quick, deadline: "400 millis" } },
    holds: (seen) => {
      tags(seen, "TimedOut")
      settles(seen, 400)
    }
  },
  {
    fault: "slow start: 300 ms, then fine",
    script: [Faulty.delay("300 millis", good)],
    holds: ends("success", 1)
  }
]

const notDecodable = (fault: string, answer: Faulty.Fault, field?: string): Scenario => ({
  fault,
  script: [answer],
  holds: (seen) => {
    ends("ResponseNotDecodable", 1)(seen)
    const [error] = seen.errors
    assert.ok(error?._tag === "ResponseNotDecodable" && error.excerpt.length <= 200, "at most 200 characters")
    if (field !== undefined) assert.match(error.message, new RegExp(field), "it names the field")
  }
})

/** A PNG header that states so many pixels. */
const hugePng = (() => {
  const bytes = Buffer.from(uploadAnswer().overlay_image, "base64")
  bytes.writeUInt32BE(40_000, 16)
  bytes.writeUInt32BE(40_000, 20)
  return bytes.toString("base64")
})()

const answers: ReadonlyArray<Scenario> = [
  notDecodable("JSON cut off", Faulty.answer({ body: '{"success": true, "analysis_resul' })),
  notDecodable(
    "HTML with status 200",
    Faulty.answer({ body: `<html>${"sorry ".repeat(1000)}</html>`, headers: { "content-type": "text/html" } })
  ),
  notDecodable("nothing with status 200", Faulty.answer({ body: "" })),
  notDecodable("JSON of another shape", Faulty.json({ predictions: [1, 2, 3] })),
  notDecodable(
    "a number where a list belongs",
    Faulty.json(uploadAnswer({ analysis_results: { image_shape: { height: 32, width: 48 }, classes: 7 } })),
    "analysis_results"
  ),
  notDecodable("base64 that is none", Faulty.json(uploadAnswer({ overlay_image: "%%%%" })), "overlay_image"),
  notDecodable(
    "a PNG that is none",
    Faulty.json(uploadAnswer({ overlay_image: Buffer.from("no png").toString("base64") })),
    "overlay_image"
  ),
  {
    fault: "a PNG that says 1.6 billion pixels",
    script: [Faulty.json(uploadAnswer({ mask_image: hugePng }))],
    http: { protocol: Inspection.make({ palette: Palette.surface }) },
    holds: (seen) => ends("ResponseNotDecodable", 1)(seen)
  },
  {
    fault: "the service says that it failed",
    script: [Faulty.json({ success: false, error: "no light" })],
    holds: ends("ReportedFailure", 1)
  }
]

/** A grey PNG in base64, as a mask of Hugging Face's protocol. */
const maskOf = (width: number, height: number) => {
  const data = new Uint8Array(width * height).fill(255)
  return Buffer.from(encode({ width, height, channels: 1, depth: 8, data })).toString("base64")
}

const hugging = { protocol: HuggingFace.make() }
const serving = (options: Partial<TfServing.TfServingOptions> = {}) => ({
  protocol: TfServing.make({ model: "segformer", ...options })
})
const logits = { output: "logits", mask: { as: "logits" } } as const

const dialects: ReadonlyArray<Scenario> = [
  {
    fault: "score: null",
    script: [Faulty.json([{ label: "wall", score: null, mask: maskOf(48, 32) }])],
    http: hugging,
    holds: ends("success", 1)
  },
  {
    ...notDecodable(
      "a mask of another size than the others",
      Faulty.json([
        { label: "wall", score: 1, mask: maskOf(48, 32) },
        { label: "sky", score: 1, mask: maskOf(10, 10) }
      ]),
      "mask"
    ),
    http: hugging
  },
  {
    ...notDecodable(
      "logits that are NaN",
      Faulty.answer({ body: '{"predictions": [[[[0.5, NaN]], [[1, 2]]]]}' })
    ),
    http: serving(logits)
  },
  {
    ...notDecodable(
      "logits of which a row is short",
      Faulty.json({
        predictions: [
          [
            [[1, 2], [3]],
            [
              [1, 2],
              [3, 4]
            ]
          ]
        ]
      })
    ),
    http: serving(logits)
  },
  ...(
    [
      ["a class id that is negative", -1],
      ["a class id that is no whole number", 1.5],
      ["a class id beyond every map", 70_000]
    ] as const
  ).map(([fault, id]): Scenario => ({
    ...notDecodable(fault, Faulty.json({ predictions: [[[0, id]]] })),
    http: serving({ mask: { as: "ids" } })
  }))
]

const statuses: ReadonlyArray<Scenario> = [
  ...(
    [
      [503, "ServiceUnavailable", 4],
      [502, "ServiceUnavailable", 4],
      [500, "ServiceFailed", 4],
      [429, "RateLimited", 4],
      [408, "RequestRejected", 4],
      [400, "RequestRejected", 1],
      [401, "Unauthorized", 1],
      [404, "NotFound", 1]
    ] as const
  ).map(([status, tag, expected]): Scenario => ({
    fault: `${status} for ever`,
    script: [Faulty.refuse(status)],
    holds: ends(tag, expected)
  })),
  {
    fault: "500 for ever, where 5xx are not to be retried",
    script: [Faulty.refuse(500)],
    http: { policy: { ...quick, retry: { ...quick.retry, serverErrors: false } } },
    holds: ends("ServiceFailed", 1)
  }
]

const later = (millis: number) => new Date(Date.now() + millis).toUTCString()

const retryAfter: ReadonlyArray<Scenario> = [
  {
    fault: "429, Retry-After: 1",
    script: [Faulty.refuse(429, "1"), good],
    holds: (seen) => {
      ends("success", 2)(seen)
      assert.ok(gaps(seen)[0]! >= 1000, `came after ${gaps(seen)[0]} ms`)
      assert.ok(gaps(seen)[0]! <= 1300 + seen.heldUp, `came after ${gaps(seen)[0]} ms`)
    }
  },
  {
    fault: "503, Retry-After: a date in 2 s",
    script: ({ index }) => (index === 0 ? Faulty.refuse(503, later(2000)) : good),
    holds: (seen) => {
      ends("success", 2)(seen)
      // A date has whole seconds: it may be up to one sooner than the two seconds from now.
      assert.ok(gaps(seen)[0]! >= 950, `came after ${gaps(seen)[0]} ms`)
    }
  },
  {
    fault: "429, retry-after-ms: 400",
    script: [Faulty.answer({ status: 429, headers: { "retry-after-ms": "400" } }), good],
    holds: (seen) => {
      ends("success", 2)(seen)
      assert.ok(gaps(seen)[0]! >= 400, `came after ${gaps(seen)[0]} ms`)
    }
  },
  ...(
    [
      ["in the past", later(-3_600_000)],
      ["soon", "soon"]
    ] as const
  ).map(([name, value]): Scenario => ({
    fault: `503, Retry-After: ${name}`,
    script: [Faulty.refuse(503, value), good],
    holds: (seen) => {
      ends("success", 2)(seen)
      assert.ok(gaps(seen)[0]! <= 400 + seen.heldUp, `came after ${gaps(seen)[0]} ms`)
    }
  })),
  {
    fault: "429, Retry-After: a day",
    script: [Faulty.refuse(429, "86400"), good],
    holds: (seen) => {
      ends("RateLimited", 1)(seen)
      const [error] = seen.errors
      assert.ok(error?._tag === "RateLimited" && error.retryAfter !== undefined)
      assert.equal(Duration.toHours(error.retryAfter), 24)
      assert.ok(seen.millis < 1000, "at once")
    }
  }
]

const states = Effect.flatMap(Transport, ({ runner }) => runner.circuit.state)

const load: ReadonlyArray<Scenario> = [
  {
    fault: "503 for all callers: the retry budget",
    calls: 200,
    script: [Faulty.refuse(503)],
    http: { policy: { ...quick, breaker: false, concurrency: 50, retryBudget: { perSecond: 0 } } },
    holds: (seen) => {
      tags(seen, "RetryBudgetSpent", ...seen.tags.filter((tag) => tag === "ServiceUnavailable").slice(0, 1))
      assert.ok(seen.requests.length <= 240, `${seen.requests.length} requests for 200 calls`)
    }
  },
  {
    fault: "503 for all callers: the circuit",
    calls: 30,
    script: [Faulty.refuse(503)],
    http: { policy: { ...once, concurrency: 1 } },
    holds: (seen) => {
      assert.equal(seen.tags.filter((tag) => tag === "CircuitOpen").length, 25)
      attempts(seen, 5)
    }
  },
  {
    fault: "half of all answers are 503: the circuit, by rate",
    calls: 30,
    script: Faulty.flap(good, Faulty.refuse(503), { good: 1, bad: 1 }),
    http: {
      policy: { ...once, concurrency: 1, breaker: { rate: { threshold: 0.5, size: 10, minimumCalls: 10 } } }
    },
    holds: (seen) => attempts(seen, 10)
  },
  {
    fault: "the circuit was open: 20 calls at once, one probe",
    calls: 25,
    script: [Faulty.refuse(503)],
    http: { policy: { ...once, breaker: { openFor: "200 millis" } } },
    act: (call, server) =>
      Effect.gen(function* () {
        const failed = yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.exit(call))
        yield* Effect.sleep("250 millis")
        server.behave([Faulty.delay("100 millis", Faulty.refuse(503))])
        const rest = Array.from({ length: 20 }, () => Effect.exit(call))
        return [...failed, ...(yield* Effect.all(rest, { concurrency: "unbounded" }))]
      }),
    holds: (seen) => {
      attempts(seen, 6)
      assert.equal(seen.tags.filter((tag) => tag === "CircuitOpen").length, 19)
    }
  },
  {
    fault: "the probe's caller gives up: the next call probes",
    calls: 7,
    script: [Faulty.refuse(503)],
    http: { policy: { ...once, breaker: { openFor: "200 millis" } } },
    act: (call, server) =>
      Effect.gen(function* () {
        const failed = yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.exit(call))
        yield* Effect.sleep("250 millis")
        server.behave([Faulty.silence, good])
        const probe = yield* Effect.forkChild(call)
        yield* eventually(() => server.requests.length === 6)
        yield* Fiber.interrupt(probe)
        return [...failed, yield* Fiber.await(probe), yield* Effect.exit(call)]
      }),
    holds: (seen) => {
      assert.deepEqual(seen.tags.slice(5), ["interrupted", "success"])
      attempts(seen, 7)
    }
  },
  {
    fault: "the time of day jumps back an hour while the circuit is open",
    calls: 6,
    script: [Faulty.refuse(503)],
    http: { policy: { ...once, breaker: { openFor: "200 millis" } } },
    act: (call, server) =>
      Effect.gen(function* () {
        const failed = yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.exit(call))
        const open = (yield* states)._tag
        server.behave([good])
        const back = (clock: Clock.Clock): Clock.Clock => {
          const millis = () => clock.currentTimeMillisUnsafe() - 3_600_000
          const nanos = () => clock.currentTimeNanosUnsafe() - 3_600_000_000_000n
          return {
            currentTimeMillisUnsafe: millis,
            currentTimeMillis: Effect.sync(millis),
            currentTimeNanosUnsafe: nanos,
            currentTimeNanos: Effect.sync(nanos),
            monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
            monotonicTimeNanos: clock.monotonicTimeNanos,
            sleep: (duration) => clock.sleep(duration)
          }
        }
        const wrong = <A, E, R>(self: Effect.Effect<A, E, R>) =>
          Clock.clockWith((clock) => Effect.provideService(self, Clock.Clock, back(clock)))
        yield* Effect.sleep("250 millis")
        const last = yield* Effect.exit(wrong(call))
        return [...failed, open === "Open" ? last : Exit.die("it was not open")]
      }),
    holds: (seen) => assert.equal(seen.tags.at(-1), "success")
  },
  {
    fault: "flapping: one good, two bad",
    calls: 20,
    script: Faulty.flap(good, Faulty.resetBeforeHeaders, { good: 1, bad: 2 }),
    http: { policy: { ...quick, breaker: false, retryBudget: false } },
    act: (call) => Effect.forEach(Array.from({ length: 20 }), () => Effect.exit(call)),
    holds: ends("success", 58)
  },
  {
    fault: "down for 200 ms, then up",
    script: [good],
    http: { policy: { ...quick, retry: { delay: "100 millis" } } },
    act: (call, server) =>
      Effect.gen(function* () {
        yield* server.down
        const fiber = yield* Effect.forkChild(call)
        yield* Effect.sleep("200 millis")
        yield* server.up
        return [yield* Fiber.await(fiber)]
      }),
    holds: ends("success", 1)
  },
  {
    fault: "ten callers, two at once, two may wait",
    calls: 10,
    script: [Faulty.delay("50 millis", good)],
    http: { policy: { ...quick, concurrency: 2, queue: 2 } },
    holds: (seen) => {
      assert.equal(seen.tags.filter((tag) => tag === "QueueFull").length, 6)
      assert.equal(seen.mostAtOnce, 2)
    }
  },
  {
    fault: "a rate limit of 20 a second",
    calls: 11,
    script: [good],
    http: { policy: { ...quick, rateLimit: { limit: 20, burst: 1 } } },
    holds: (seen) => {
      tags(seen, "success")
      assert.ok(seen.millis >= 480, `11 calls in ${seen.millis} ms`)
    }
  }
]

const keys = (seen: Seen) => new Set(seen.requests.map(({ headers }) => headers["idempotency-key"]))

const exactlyOnce: ReadonlyArray<Scenario> = [
  {
    fault: "the answer is lost, the service honours keys",
    script: [Faulty.lostAnswer, good],
    service: { honoursKeys: true },
    holds: (seen) => {
      ends("success", 2)(seen)
      assert.equal(seen.executions, 1)
      assert.equal(keys(seen).size, 1, "one key")
    }
  },
  {
    fault: "the answer is lost, resend: unless-sent",
    script: [Faulty.lostAnswer, good],
    http: { policy: { ...quick, resend: "unless-sent" } },
    holds: (seen) => {
      ends("ConnectionFailed", 1)(seen)
      assert.equal(seen.executions, 1)
    }
  },
  {
    fault: "nobody listened yet, resend: unless-sent",
    script: [good],
    http: { policy: { ...quick, resend: "unless-sent", retry: { delay: "100 millis" } } },
    act: (call, server) =>
      Effect.gen(function* () {
        yield* server.down
        const fiber = yield* Effect.forkChild(call)
        yield* Effect.sleep("200 millis")
        yield* server.up
        return [yield* Fiber.await(fiber)]
      }),
    holds: (seen) => {
      ends("success", 1)(seen)
      assert.equal(seen.executions, 1)
    }
  },
  {
    fault: "20 callers interrupted while the body stalls",
    calls: 20,
    script: [Faulty.stall()],
    http: { policy: { ...quick, concurrency: 20 } },
    act: (call, server) =>
      Effect.gen(function* () {
        const fibers = yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.forkChild(call))
        yield* eventually(() => server.requests.length === 20)
        yield* Fiber.interruptAll(fibers)
        const exits = yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
        // While the client is still there: interrupted calls close their own connections.
        const closed = yield* eventually(() => server.sockets === 0)
        return closed ? exits : [Exit.die("sockets stay open")]
      }),
    holds: (seen) => {
      tags(seen, "interrupted")
      assert.ok(seen.millis < 1500 + seen.heldUp)
    }
  }
]

const secret = "sk-very-secret-0123456789"

const strangers: ReadonlyArray<Scenario> = [
  {
    fault: "a redirect to another origin",
    script: [Faulty.redirect("http://169.254.169.254/latest/meta-data")],
    holds: ends("RedirectRefused", 1)
  },
  {
    fault: "redirects in a ring, where they may be followed",
    script: ({ path }) => Faulty.redirect(path, 307),
    http: { redirects: { max: 5 } },
    holds: ends("RedirectRefused", 6)
  },
  {
    fault: "a redirect to another origin that is allowed: no header of ours",
    script: [good],
    http: { redirects: { hosts: "any" }, apiKey: Redacted.make(secret) },
    act: (call, server) => {
      // The same server under another name is another origin.
      const elsewhere = `http://localhost:${server.port}/elsewhere`
      server.behave(({ path }) => (path === "/elsewhere" ? good : Faulty.redirect(elsewhere, 307)))
      return Effect.map(Effect.exit(call), (exit) => [exit])
    },
    holds: (seen) => {
      ends("success", 2)(seen)
      const crossed = seen.requests.find(({ path }) => path === "/elsewhere")
      for (const name of ["authorization", "x-request-id", "idempotency-key", "traceparent"]) {
        assert.equal(crossed?.headers[name], undefined, name)
      }
      assert.ok(seen.requests[0]?.headers["authorization"]?.includes(secret), "its own origin gets the key")
    }
  },
  {
    fault: "the service repeats the key that it refuses",
    script: [Faulty.answer({ status: 401, body: `{"error":"${secret} is not valid"}` })],
    http: { apiKey: Redacted.make(secret) },
    holds: (seen) => {
      ends("Unauthorized", 1)(seen)
      const said = seen.errors
        .map((error) => `${error.message} ${String(error)} ${JSON.stringify(error)}`)
        .join()
      assert.ok(!said.includes(secret) && said.includes("<redacted>"))
    }
  }
]

const chaos: ReadonlyArray<Scenario> = [
  {
    fault: "chaos at the transport: 30 % fail, 10 % are lost, 5 % stall",
    calls: 200,
    script: [good],
    http: { policy: { ...quick, attemptTimeout: "200 millis", breaker: false, retryBudget: false } },
    chaos: { seed: 11, failure: 0.3, lost: 0.1, stall: 0.05, latency: [0, "5 millis"] },
    holds: (seen) => {
      const successes = seen.tags.filter((tag) => tag === "success").length
      // Four attempts, of which 45 % fail: 4 % of the calls.
      assert.ok(successes >= 180, `${successes} of 200 calls succeeded`)
      assert.ok(!seen.tags.includes("defect"))
    }
  }
]

/** An image behind a URL of a stranger's choice: what it must not reach is a service on this machine. */
const guarded = (
  fault: string,
  url: (service: Faulty.FaultyService) => string,
  script: (service: () => Faulty.FaultyService | undefined) => Faulty.Script,
  expected: number
): Row => ({
  fault,
  calls: 1,
  run: Effect.gen(function* () {
    let service: Faulty.FaultyService | undefined
    const server = yield* Faulty.make(script(() => service))
    service = server
    const guard = NodeAddressGuard.layer({
      allowPrivate: [`images.test:${server.port}`],
      lookup: (_, options, callback) => {
        if (options.all === true) callback(null, [{ address: "127.0.0.1", family: 4 }])
        else callback(null, "127.0.0.1", 4)
      }
    })
    const call = ImageSource.url(url(server)).open()
    return yield* watch(
      server,
      Effect.map(Effect.exit(Effect.provide(call, guard)), (exit) => [exit])
    )
  }),
  holds: ends("InvalidUrl", expected)
})

const privateAddresses: ReadonlyArray<Row> = [
  guarded(
    "the URL of an image is 127.0.0.1",
    ({ port }) => `http://127.0.0.1:${port}/a.png`,
    () => [good],
    0
  ),
  guarded(
    "the host of an image's URL resolves to 127.0.0.1",
    ({ port }) => `http://rebound.test:${port}/a.png`,
    () => [good],
    0
  ),
  guarded(
    "an image's URL redirects to a host that resolves to 127.0.0.1",
    ({ port }) => `http://images.test:${port}/a.png`,
    (service) => () => Faulty.redirect(`http://metadata.test:${service()?.port}/latest`),
    1
  )
]

export const rows: ReadonlyArray<Row> = [
  ...[
    ...connections,
    ...time,
    ...answers,
    ...dialects,
    ...statuses,
    ...retryAfter,
    ...load,
    ...exactlyOnce,
    ...strangers,
    ...chaos
  ].map(scenario),
  ...privateAddresses
]
