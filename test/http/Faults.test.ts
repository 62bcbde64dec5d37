/** Every tag that a service, a socket or a file can cause is caused by one: real servers, real files, no fakes. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { segment, SegmentationError, Transport } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { eventually } from "../support/Eventually.ts"
import { passing } from "../support/Passing.ts"
import { closedPort, type Handler, http, tcp, type TestServer } from "../support/TestServer.ts"
import { png, region, uploadAnswer } from "./servers/InspectionServer.ts"
import { call, errorOf, json, platform, raw, source } from "./calls.ts"

/** An answer with a field deep in its first class replaced. */
const withRegion = (over: Record<string, unknown>) =>
  uploadAnswer({
    analysis_results: {
      image_shape: { height: 32, width: 48 },
      classes: { a: { class_id: 1, regions: [{ ...region, ...over }] } }
    }
  })

interface Expected {
  readonly tag: SegmentationError["_tag"]
  readonly retryable: boolean
  /** Fields of the error. */
  readonly fields?: Readonly<Record<string, unknown>>
  readonly message?: string
}

type Row = readonly [what: string, answer: Handler, expected: Expected]

const statuses: ReadonlyArray<Row> = [
  [
    "400 with a reason",
    json({ success: false, error: "File type not allowed" }, 400),
    { tag: "RequestRejected", retryable: false, fields: { status: 400, detail: "File type not allowed" } }
  ],
  ["408", raw("", 408), { tag: "RequestRejected", retryable: true, fields: { status: 408, detail: "" } }],
  [
    "413 of a proxy",
    raw("<html>413 Request Entity Too Large</html>", 413),
    { tag: "RequestRejected", retryable: false, message: "Request Entity Too Large" }
  ],
  ["418", raw("", 418), { tag: "RequestRejected", retryable: false }],
  ["425", raw("", 425), { tag: "RequestRejected", retryable: true }],
  [
    "401",
    json({ error: "no key" }, 401),
    {
      tag: "Unauthorized",
      retryable: false,
      fields: { status: 401, detail: "no key" },
      message: "Check its API key"
    }
  ],
  ["403", raw("", 403), { tag: "Unauthorized", retryable: false, fields: { status: 403 } }],
  [
    "404",
    raw("<!doctype html>Not Found", 404),
    { tag: "NotFound", retryable: false, message: "Check the base URL" }
  ],
  ["410", raw("", 410), { tag: "NotFound", retryable: false, fields: { status: 410 } }],
  [
    "429 that asks to wait",
    json({ message: "slow down" }, 429, { "retry-after": "7" }),
    {
      tag: "RateLimited",
      retryable: true,
      fields: { detail: "slow down", retryAfter: Duration.seconds(7) },
      message: "wait 7s"
    }
  ],
  ["429", raw("", 429), { tag: "RateLimited", retryable: true, fields: { retryAfter: undefined } }],
  [
    "500",
    json({ success: false, error: "CUDA out of memory" }, 500),
    { tag: "ServiceFailed", retryable: true, fields: { status: 500, detail: "CUDA out of memory" } }
  ],
  ["507", raw("", 507), { tag: "ServiceFailed", retryable: true }],
  ["502 of a proxy", raw("<html>Bad Gateway</html>", 502), { tag: "ServiceUnavailable", retryable: true }],
  ["503", raw("", 503), { tag: "ServiceUnavailable", retryable: true, fields: { status: 503 } }],
  [
    "503 that asks to wait in milliseconds",
    json({ error: "busy" }, 503, { "retry-after-ms": "1500" }),
    { tag: "ServiceUnavailable", retryable: true, fields: { retryAfter: Duration.millis(1500) } }
  ],
  ["504", raw("", 504), { tag: "ServiceUnavailable", retryable: true }],
  [
    "503 without a model",
    json({ success: false, error: "Model not loaded" }, 503),
    { tag: "ModelLoading", retryable: true, fields: { status: 503, detail: "Model not loaded" } }
  ],
  [
    "304",
    (_, response) => void response.writeHead(304).end(),
    { tag: "ResponseNotDecodable", retryable: false, message: "304" }
  ],
  [
    "a redirect",
    (_, response) => void response.writeHead(301, { location: "/elsewhere" }).end(),
    { tag: "RedirectRefused", retryable: false, message: "/elsewhere" }
  ]
]

const bodies: ReadonlyArray<Row> = [
  [
    "success: false in a 200",
    json({ success: false, error: "too dark" }),
    { tag: "ReportedFailure", retryable: false, fields: { status: 200, detail: "too dark" } }
  ],
  [
    "success: false without a reason",
    json({ success: false }),
    { tag: "ReportedFailure", retryable: false, message: "does not say why" }
  ],
  ["an empty 200", raw(""), { tag: "ResponseNotDecodable", retryable: false, message: "it is empty" }],
  [
    "truncated JSON",
    raw(JSON.stringify(uploadAnswer()).slice(0, -100), 200, "application/json"),
    { tag: "ResponseNotDecodable", retryable: false, fields: { path: "" } }
  ],
  [
    "HTML with 200",
    raw("<!doctype html><title>Sign in</title>"),
    { tag: "ResponseNotDecodable", retryable: false, message: "a page of HTML. It starts: Sign in" }
  ],
  ["JSON that is no object", json([1, 2]), { tag: "ResponseNotDecodable", retryable: false }],
  [
    "an image in place of JSON",
    raw(Buffer.from(png(4, 4), "base64"), 200, "image/png"),
    { tag: "ResponseNotDecodable", retryable: false }
  ],
  [
    "what is no number",
    raw(JSON.stringify(uploadAnswer()).replace("0.25", "NoN"), 200, "application/json"),
    { tag: "ResponseNotDecodable", retryable: false, message: "no JSON" }
  ],
  [
    "another shape",
    json({ success: true, masks: [] }),
    { tag: "ResponseNotDecodable", retryable: false, fields: { path: "analysis_results" } }
  ],
  [
    "a success that is no boolean",
    json(uploadAnswer({ success: "yes" })),
    { tag: "ResponseNotDecodable", retryable: false, fields: { path: "success" } }
  ],
  [
    "a region whose area is null",
    json(withRegion({ area_pixels: null })),
    {
      tag: "ResponseNotDecodable",
      retryable: false,
      fields: { path: "analysis_results.classes.a.regions.0.area_pixels", excerpt: "null" }
    }
  ],
  ...(
    [
      ["a colour of a mask that is none", { color: "#e69f00" }, "1.color"],
      ["a colour of a mask that is out of range", { color: [300, 0, 0] }, "1.color.0"],
      ["a class of a mask without a name", { name: undefined }, "1.name"],
      ["an id of a mask's class that is none", { id: -1 }, "1.id"],
      ["one id for two classes of a mask", { id: 0 }, "1.id"]
    ] as const
  ).map(([what, wrong, path]): Row => [
    what,
    json(
      uploadAnswer({
        mask_palette: [
          { id: 0, name: "background", color: [0, 0, 0] },
          { id: 1, name: "particle", color: [86, 180, 233], ...wrong }
        ]
      })
    ),
    { tag: "ResponseNotDecodable", retryable: false, fields: { path: `mask_palette.${path}` } }
  ]),
  [
    "an image of no width",
    json(uploadAnswer({ analysis_results: { image_shape: { width: 0, height: 4 }, classes: {} } })),
    { tag: "ResponseNotDecodable", retryable: false, fields: { path: "analysis_results.image_shape.width" } }
  ]
]

describe("SegFormerHttp: what a service answers", () => {
  it.live.each([...statuses, ...bodies])("%s", ([, handler, expected]) =>
    Effect.gen(function* () {
      const server = yield* http((request, response) => {
        response.setHeader("x-request-id", "their-id")
        return handler(request, response)
      })
      const error = yield* errorOf(call(server.url, source))
      assert.strictEqual(error._tag, expected.tag)
      assert.strictEqual(error.isRetryable, expected.retryable)
      for (const [field, value] of Object.entries(expected.fields ?? {})) {
        assert.deepStrictEqual(Reflect.get(error, field), value)
      }
      assert.include(error.message, expected.message ?? "")
      assert.strictEqual(Reflect.get(error, "requestId"), "their-id")
      assert.strictEqual(Reflect.get(error, "service"), `${server.url}/upload`)
      assert.isAtMost(String(Reflect.get(error, "excerpt") ?? "").length, 200)
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live.each([
    ["a picture that is no text", uploadAnswer({ overlay_image: 7 })],
    ["base64 that is none", uploadAnswer({ overlay_image: "!!! no base64 !!!".repeat(1000) })],
    ["a picture that is a data URL without base64", uploadAnswer({ overlay_image: "data:image/png,hello" })],
    ["a picture that is no PNG", uploadAnswer({ overlay_image: Buffer.from("hello").toString("base64") })],
    ["a picture that is cut off", uploadAnswer({ overlay_image: png(48, 32).slice(0, 64) })]
  ])("%s is left out, and costs nothing that was found", ([, answer]) =>
    Effect.gen(function* () {
      const server = yield* http(json(answer))
      const found = yield* call(server.url, source)
      assert.deepStrictEqual(Object.keys(found.pictures), ["combined", "mask"])
      assert.strictEqual((yield* found.regions).length, 1)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("numbers that are texts, and measures that are none, cost no region", () =>
    Effect.gen(function* () {
      const given = withRegion({
        centroid: { x: "1", y: 2 },
        circularity: null,
        perimeter: 0,
        region_id: "r"
      })
      const server = yield* http(json({ ...given, total_defects: null, processing_time: "0.5", filename: 7 }))
      const found = yield* call(server.url, source)
      const [region] = yield* found.regions
      assert.deepStrictEqual(region?.centroid, { x: 1, y: 2 })
      assert.strictEqual(region?.circularity, 1)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a picture may be a data URL, as in other protocols", () =>
    Effect.gen(function* () {
      const bare = png(4, 4)
      const server = yield* http(json(uploadAnswer({ overlay_image: `data:image/png;base64,${bare}` })))
      const { pictures } = yield* call(server.url, source)
      assert.strictEqual(Buffer.from(pictures.overlay ?? []).toString("base64"), bare)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("what is not decodable is not asked for again: it may be paid twice", () =>
    Effect.gen(function* () {
      const server = yield* http(raw("<html>"))
      yield* errorOf(call(server.url, source, { policy: { retry: { times: 3, delay: "1 millis" } } }))
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("pictures that are null or missing are none, and unknown fields are dropped", () =>
    Effect.gen(function* () {
      const { overlay_image: _, ...answer } = uploadAnswer({ mask_image: null, surprise: { deep: 1 } })
      const server = yield* http(json(answer))
      const segmentation = yield* call(server.url, source)
      assert.deepStrictEqual(Object.keys(segmentation.pictures), ["combined"])
      assert.notInclude(JSON.stringify(segmentation), "surprise")
      assert.strictEqual((yield* errorOf(segmentation.labelMap))._tag, "NoLabelMap")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("too much is too large", () =>
    Effect.gen(function* () {
      const server = yield* http(json(uploadAnswer()))
      const error = yield* errorOf(call(server.url, source, { limits: { maxBodyBytes: 100 } }))
      assert.strictEqual(error._tag, "ResponseTooLarge")
      assert.isFalse(error.isRetryable)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )
})

describe("SegFormerHttp: what happens on the way", () => {
  it.live("no connection", () =>
    Effect.gen(function* () {
      const error = yield* errorOf(call(`http://127.0.0.1:${yield* closedPort}`, source))
      assert.strictEqual(error._tag, "ConnectionFailed")
    }).pipe(Effect.provide(platform))
  )

  it.effect.each([
    ["attempt", { attemptTimeout: "500 millis", retry: false }, true],
    ["deadline", { deadline: "500 millis", retry: false }, false]
  ] as const)("no time left: %s", ([kind, policy, retryable]) =>
    Effect.gen(function* () {
      const server = yield* http(() => {})
      const error = yield* passing(errorOf(call(server.url, source, { policy })), () =>
        server.requests.length > 0 ? 25 : 0
      )
      assert.strictEqual(error._tag, "TimedOut")
      assert.deepInclude(error, { kind, phase: "waiting" })
      assert.strictEqual(error.isRetryable, retryable)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a circuit that is open, and health that is asked all the same", () =>
    Effect.gen(function* () {
      const server = yield* http(raw("", 500))
      const options = { baseUrl: server.url, policy: { retry: false, breaker: { failures: 2 } } } as const
      const errors = yield* Effect.gen(function* () {
        const tags: Array<string> = []
        for (let i = 0; i < 4; i++) tags.push((yield* errorOf(segment(source)))._tag)
        const { health } = yield* Transport
        tags.push((yield* errorOf(health))._tag)
        return tags
      }).pipe(Effect.provide(SegFormerHttp.layer(options)))
      assert.deepStrictEqual(errors, [
        "ServiceFailed",
        "ServiceFailed",
        "CircuitOpen",
        "CircuitOpen",
        "ServiceFailed"
      ])
      assert.deepStrictEqual(
        server.requests.map(({ path }) => path),
        ["/upload", "/upload", "/health"]
      )
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a queue that is full", () =>
    Effect.gen(function* () {
      const server = yield* http(() => {})
      const policy = { retry: false, concurrency: 1, queue: 1 } as const
      const error = yield* errorOf(
        Effect.all([segment(source), segment(source), segment(source)], { concurrency: 3 }).pipe(
          Effect.provide(SegFormerHttp.layer({ baseUrl: server.url, policy }))
        )
      )
      assert.strictEqual(error._tag, "QueueFull")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a retry budget that is spent", () =>
    Effect.gen(function* () {
      const server = yield* http(raw("", 500))
      const policy = { retry: { delay: "1 millis" }, retryBudget: { ratio: 0, perSecond: 0 } } as const
      const error = yield* errorOf(call(server.url, source, { policy }))
      assert.strictEqual(error._tag, "RetryBudgetSpent")
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )
})

describe("SegFormerHttp: attempts at a service that fails", () => {
  type Fault = "reset" | "cut" | "stall" | "refuse" | number
  const mixtures: ReadonlyArray<
    readonly [string, ReadonlyArray<Fault>, number, SegmentationError["_tag"] | undefined]
  > = [
    ["503 for ever", [503], 4, "ServiceUnavailable"],
    ["resets for ever", ["reset"], 4, "ConnectionFailed"],
    ["bodies cut off for ever", ["cut"], 4, "ConnectionFailed"],
    ["stalls for ever", ["stall"], 4, "TimedOut"],
    ["429 for ever", [429], 4, "RateLimited"],
    ["one of each", ["reset", 503, "cut", "stall"], 4, "TimedOut"],
    ["resets and 500 in turn", ["reset", 500, "reset", 500, "reset"], 4, "ServiceFailed"],
    ["a 400 after two resets", ["reset", "reset", 400], 3, "RequestRejected"],
    ["a success after three faults", ["cut", 500, "stall", 200], 4, undefined],
    ["a success at once", [200], 1, undefined]
  ]
  const bytes = (status: number) => {
    const body = status === 200 ? JSON.stringify(uploadAnswer()) : ""
    return `HTTP/1.1 ${status} X\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`
  }

  it.effect.each(mixtures)("%s", ([, faults, attempts, tag]) =>
    Effect.gen(function* () {
      const now = () => faults[Math.min(server.requests.length, faults.length) - 1]
      const server: TestServer = yield* tcp((socket) => {
        const fault = now()
        if (fault === "reset") socket.resetAndDestroy()
        else if (fault === "cut") {
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
          setTimeout(() => socket.resetAndDestroy(), 10)
        } else if (typeof fault === "number") socket.end(bytes(fault))
      })
      const policy = { attemptTimeout: "2 seconds", retry: { delay: "1 millis" }, breaker: false } as const
      // What is not to stall has time enough on a slow machine too.
      const result = yield* passing(Effect.result(call(server.url, source, { policy })), () =>
        now() === "stall" ? 25 : 1
      )
      assert.strictEqual(result._tag === "Failure" ? result.failure._tag : undefined, tag)
      assert.strictEqual(server.requests.length, attempts)
      const keys = server.requests.map(
        ({ body }) => /idempotency-key: (\S+)/i.exec(body.toString("latin1"))?.[1]
      )
      assert.strictEqual(new Set(keys).size, 1)
      assert.match(keys[0] ?? "", /^[0-9a-f]{16,}$/)
      yield* eventually(() => server.sockets.size === 0)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )
})
