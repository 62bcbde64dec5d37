/** Rows: what must happen once, what must not leave, and where nothing may lead. */
import assert from "node:assert/strict"
import { Effect, Fiber, Redacted } from "effect"
import { ImageSource } from "effect-segformer"
import * as NodeAddressGuard from "../../src/service/NodeAddressGuard.ts"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { ends, tags } from "./expect.ts"
import { eventually } from "../support/Eventually.ts"
import { comesUp, good, quick, type Row, type Scenario, type Seen, watch } from "./Harness.ts"

const keys = (seen: Seen) => new Set(seen.requests.map(({ headers }) => headers["idempotency-key"]))

export const exactlyOnce: ReadonlyArray<Scenario> = [
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
    act: comesUp,
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
        yield* eventually(() => server.sockets === 0, "sockets to be closed")
        return exits
      }),
    holds: (seen) => tags(seen, "interrupted")
  }
]

const secret = "sk-very-secret-0123456789"

export const strangers: ReadonlyArray<Scenario> = [
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

export const chaos: ReadonlyArray<Scenario> = [
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

export const privateAddresses: ReadonlyArray<Row> = [
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
