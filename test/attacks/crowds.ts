/** Who takes what is everybody's: places, connections, sessions, disk. */
import { connect, type Socket } from "node:net"
import { Effect, Fiber, type Scope } from "effect"
import type { SegFormerServerOptions } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import * as onnx from "../onnx/pool.ts"
import { hangs } from "../support/Eventually.ts"
import { ask, form, upload } from "../server/support.ts"
import { assert, type Attack, eventually, request, serve, statuses, talk } from "./Attack.ts"

const open = (port: number): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback((resume) => {
      const socket = connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
      socket.on("error", () => {})
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const announced = (length: number, path = "/v1/segment", more = "") =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n${more}\r\n`

const arriving = (url: string) =>
  Effect.map(ask(`${url}/metrics`), ({ body }) =>
    Number(/^segformer_server_requests_arriving (\d+)$/m.exec(body.toString())?.[1])
  )

/** While so many callers do this, somebody else is served. */
const dawdlers = (
  attack: string,
  count: number,
  written: string,
  options?: SegFormerServerOptions
): Attack => ({
  kind: "dawdlers",
  attack: `${count} connections, each with ${attack}`,
  must: "everyone else is served",
  run: Effect.gen(function* () {
    const { port, url } = yield* serve(undefined, options)
    for (let n = 0; n < count; n++) (yield* open(port)).write(written)
    for (let n = 0; n < 5; n++) assert.equal((yield* upload(url)).status, 200)
    assert.equal((yield* ask(`${url}/ready`)).status, 200)
    return "200"
  })
})

const boundary = "content-type: multipart/form-data; boundary=x\r\n"

const dawdling: ReadonlyArray<Attack> = [
  dawdlers("a body announced, and none sent", 34, announced(5000)),
  dawdlers("a body announced, and none sent", 60, announced(5000)),
  dawdlers("50 MB announced, and none sent", 40, announced(50_000_000)),
  dawdlers("200 MB of a job announced, and none sent", 40, announced(200_000_000, "/v1/jobs", boundary)),
  dawdlers("a first byte of a form", 40, `${announced(5000, "/upload", boundary)}-`),
  dawdlers(
    "chunks that do not come",
    40,
    "POST /v1/segment HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
  ),
  dawdlers(
    "a body that waits to be asked for",
    40,
    announced(5000, "/v1/segment", "expect: 100-continue\r\n")
  ),
  dawdlers("half a header", 40, "POST /v1/segment HTTP/1.1\r\nhost: loc"),
  dawdlers("nothing said, on as many as there may be", 64, "", { maxConnections: 64 }),
  dawdlers("nothing said, on as many as an address may have", 32, "", { maxConnectionsPerAddress: 32 }),
  dawdlers("half a header, on as many as there may be", 64, "GET /health HTTP/1.1\r\nhost: l", {
    maxConnections: 64
  }),
  dawdlers(
    "a request answered long ago, on as many as there may be",
    64,
    request("GET /health", { connection: "keep-alive" }),
    { maxConnections: 64 }
  ),
  {
    kind: "dawdlers",
    attack: "a byte now and then of a body",
    must: "408 once it is slower than it may be",
    run: Effect.gen(function* () {
      const { port } = yield* serve(undefined, { bodyGrace: "100 millis", minBodyRate: 10_000 })
      const socket = yield* open(port)
      let received = ""
      socket.on("data", (chunk) => (received += String(chunk)))
      socket.write(announced(5_000_000))
      const drip = setInterval(() => socket.write("x"), 20)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(drip)))
      yield* eventually(() => received !== "")
      assert.deepEqual(statuses(received), [408])
      assert.match(received, /less than 10000 bytes a second/)
      return "408"
    })
  },
  {
    kind: "dawdlers",
    attack: "more bodies from an address than it may send, all of them slow",
    must: "the slowest makes room, and is told so",
    run: Effect.gen(function* () {
      const { port, url } = yield* serve(undefined, { maxBodiesPerAddress: 4 })
      let received = ""
      const sockets: Array<Socket> = []
      for (let n = 0; n < 4; n++) {
        const socket = yield* open(port)
        socket.on("data", (chunk) => (received += String(chunk)))
        socket.write(announced(5000) + "x".repeat(n * 100))
        sockets.push(socket)
      }
      while ((yield* arriving(url)) < 4) yield* Effect.yieldNow
      // Who has only begun is not told apart from who is slow.
      while ((yield* upload(url)).status !== 200) yield* Effect.sleep("50 millis")
      yield* eventually(() => received !== "")
      assert.deepEqual(statuses(received), [408])
      assert.match(received, /slower than the 4 others/)
      return "200, 408"
    })
  },
  {
    kind: "limits by address",
    attack: "X-Forwarded-For of somebody who is no proxy",
    must: "it is not believed: the places are those of one address",
    run: byAddress(undefined, [200, 503])
  },
  {
    kind: "limits by address",
    attack: "two callers behind a proxy that is trusted",
    must: "each has places of his own",
    run: byAddress(["loopback"], [200, 200])
  },
  {
    kind: "limits by address",
    attack: "a caller behind a proxy who writes X-Forwarded-For himself",
    must: "only the last address is believed",
    run: byAddress(["127.0.0.0/8"], [200, 503], (n) => `10.0.0.${n}, 203.0.113.7`)
  },
  {
    kind: "limits by address",
    attack: "two callers whom a trusted proxy hides without a word for each",
    must: "the places are those of one, whatever they write themselves",
    run: byAddress(["loopback"], [200, 503], (n) => `10.0.0.${n}, unknown`)
  }
]

/** Two callers at once where an address has one place; what the second one gets. */
function byAddress(
  trustProxy: ReadonlyArray<string> | undefined,
  wanted: ReadonlyArray<number>,
  forwarded = (n: number) => `203.0.113.${n}`
): Attack["run"] {
  return Effect.gen(function* () {
    let entered = 0
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const predict = () => Effect.promise(() => (++entered, released)).pipe(Effect.as(Fixtures.prediction))
    const { url } = yield* serve(predict, { maxPlacesPerAddress: 1, trustProxy })
    const segment = (n: number) =>
      ask(`${url}/v1/segment`, {
        method: "POST",
        headers: { "x-forwarded-for": forwarded(n) },
        body: Uint8Array.from(Fixtures.image)
      })
    const first = yield* Effect.forkChild(segment(1))
    yield* eventually(() => entered === 1)
    const second = yield* Effect.forkChild(segment(2))
    yield* eventually(() => entered === 2 || second.pollUnsafe() !== undefined)
    release()
    const seen = [(yield* Fiber.join(first)).status, (yield* Fiber.join(second)).status]
    assert.deepEqual(seen, wanted)
    return seen.join(", ")
  })
}

const leaving: ReadonlyArray<Attack> = [
  {
    kind: "callers that leave",
    attack: "16 of 64 hang up at random while one session works for all",
    must: "the others are served, no session is killed, health stays green",
    run: Effect.gen(function* () {
      const sessions = yield* onnx.pool({ gracePeriod: hangs })
      const before = yield* sessions.pids
      let left = 48
      const health = new Set<number>()
      const patient = Effect.tap(sessions.predict(onnx.red), () => Effect.sync(() => left--))
      const others = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 48 }, () => patient),
          { concurrency: 48, discard: true }
        )
      )
      const restless = Effect.forEach(
        Array.from({ length: 16 }, (_, n) => n),
        (n) => Effect.ignore(Effect.timeoutOption(sessions.predict(onnx.red), `${(n * 37) % 200} millis`)),
        { concurrency: 16, discard: true }
      )
      yield* Effect.forkChild(restless)
      while (others.pollUnsafe() === undefined) {
        health.add(yield* sessions.ready)
        yield* onnx.turns(20)
      }
      yield* Fiber.join(others)
      assert.equal(left, 0)
      assert.deepEqual([...health], [1])
      assert.deepEqual(yield* sessions.pids, before)
      return "48 served, 0 killed"
    })
  },
  {
    kind: "callers that leave",
    attack: "one hangs up in the middle of a run that takes long",
    must: "a spare is ready before the session is killed; health stays green",
    run: Effect.gen(function* () {
      const sessions = yield* onnx.pool({ gracePeriod: 50 })
      const given = yield* Effect.forkChild(sessions.predict(onnx.long))
      yield* onnx.begun(sessions)
      yield* Fiber.interrupt(given)
      const next = yield* Effect.forkChild(sessions.predict(onnx.red))
      const health = new Set<number>()
      while (next.pollUnsafe() === undefined) {
        health.add(yield* sessions.ready)
        yield* onnx.turns(20)
      }
      yield* Fiber.join(next)
      assert.deepEqual([...health], [1])
      return "1 of 1 ready throughout"
    })
  },
  {
    kind: "callers that leave",
    attack: "30 send a whole image and hang up at once",
    must: "their places are free again, the next is served",
    run: Effect.gen(function* () {
      const { port, url } = yield* serve(undefined, { concurrency: 1, queue: 2 })
      const image = Buffer.from(Fixtures.image)
      for (let n = 0; n < 30; n++) {
        const socket = yield* open(port)
        socket.write(announced(image.length))
        socket.write(image)
        socket.destroy()
      }
      while (Number((yield* ask(`${url}/api/status`)).json["requests_present"]) > 0) yield* Effect.yieldNow
      assert.equal((yield* upload(url)).status, 200)
      return "200"
    })
  }
]

const storage: ReadonlyArray<Attack> = [
  {
    kind: "storage",
    attack: "jobs of 64 one-byte images with long names",
    must: "507 once what they take on disk is used up",
    run: Effect.gen(function* () {
      const { url } = yield* serve(undefined, { jobs: { maxStoredBytes: 2 ** 20 } })
      const names = Array.from({ length: 64 }, (_, n) => `${n}-${"x".repeat(300)}.png`)
      const files = names.map((name): readonly [string, Uint8Array] => [name, Uint8Array.of(1)])
      const seen: Array<number> = []
      for (let n = 0; n < 4; n++) seen.push((yield* ask(`${url}/v1/jobs`, form("image", ...files))).status)
      assert.deepEqual(seen, [202, 507, 507, 507])
      return seen.join(", ")
    })
  },
  {
    kind: "storage",
    attack: "more jobs than may be",
    must: "507",
    run: Effect.gen(function* () {
      const { url } = yield* serve(undefined, { jobs: { maxJobs: 3 } })
      const seen: Array<number> = []
      for (let n = 0; n < 4; n++) {
        seen.push((yield* ask(`${url}/v1/jobs`, form("image", [`${n}.png`, Fixtures.image]))).status)
      }
      assert.deepEqual(seen, [202, 202, 202, 507])
      return seen.join(", ")
    })
  },
  {
    kind: "storage",
    attack: "65 images in a job",
    must: "413",
    run: Effect.gen(function* () {
      const { url } = yield* serve()
      const files = Array.from({ length: 65 }, (_, n): readonly [string, Uint8Array] => [
        `${n}.png`,
        Fixtures.image
      ])
      const { status } = yield* ask(`${url}/v1/jobs`, form("image", ...files))
      assert.equal(status, 413)
      return "413"
    })
  },
  {
    kind: "storage",
    attack: "a picture whose header claims a billion pixels",
    must: "413, before it is decoded",
    run: Effect.gen(function* () {
      const { port } = yield* serve(() => Effect.die("it was segmented"))
      const header = Buffer.from(Fixtures.image.slice(0, 33))
      header.writeUInt32BE(40_000, 16)
      header.writeUInt32BE(30_000, 20)
      const bytes = Buffer.concat([header, Buffer.from(Fixtures.image.slice(33))])
      const head = Buffer.from(announced(bytes.length, "/v1/segment", "connection: close\r\n"))
      const seen = statuses(yield* talk(port, Buffer.concat([head, bytes])))
      assert.deepEqual(seen, [413])
      return "413"
    })
  },
  ...(
    [
      ["a JPEG of four million empty segments", "ffd8", "ffe10002"],
      [
        "a HEIC of two million empty boxes",
        "000000186674797068656963000000006d69663168656963",
        "0000000866726565"
      ]
    ] as const
  ).map(([attack, head, part]): Attack => ({
    kind: "storage",
    attack,
    must: "400, and they are not walked",
    run: Effect.gen(function* () {
      const { url } = yield* serve(() => Effect.die("it was segmented"))
      const body = Buffer.concat([Buffer.from(head, "hex"), Buffer.alloc(16_000_000, part, "hex")])
      const answer = yield* ask(`${url}/v1/segment`, { method: "POST", body: Uint8Array.from(body) })
      assert.equal(answer.status, 400)
      assert.match(answer.body.toString(), /more than 32768 parts before its picture/)
      return "400"
    })
  })),
  {
    kind: "storage",
    attack: "a body of more than may be, announced",
    must: "413, before any of it is sent",
    run: Effect.gen(function* () {
      const { port } = yield* serve()
      const seen = statuses(
        yield* talk(port, request("POST /v1/segment", { "content-length": "1000000000000" }))
      )
      assert.deepEqual(seen, [413])
      return "413"
    })
  }
]

export const crowds: ReadonlyArray<Attack> = [...dawdling, ...leaving, ...storage]
