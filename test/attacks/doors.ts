/** Who is let in: tokens, names of the host, origins, and the ids of others. */
import { Effect, Redacted } from "effect"
import { Dialects, type SegFormerServerOptions } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask } from "../server/support.ts"
import { assert, asked, type Attack, request, serve, statuses, talk, token, tokens } from "./Attack.ts"

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`

const authorizations: ReadonlyArray<readonly [attack: string, header: string, status: number]> = [
  ["no scheme", token, 401],
  ["an empty bearer", "Bearer ", 401],
  ["a token and a letter", `Bearer ${token}x`, 401],
  ["a token without its last letter", `Bearer ${token.slice(0, -1)}`, 401],
  ["a token in capitals", `Bearer ${token.toUpperCase()}`, 401],
  ["two tokens", `Bearer ${token} ${token}`, 401],
  ["a list of credentials", `Bearer wrong, Bearer ${token}`, 401],
  ["a token in quotes", `Bearer "${token}"`, 401],
  ["a tab for a space", `Bearer\t${token}`, 401],
  ["another scheme", `Digest ${token}`, 401],
  ["scheme and token in one", `Bearer${token}`, 401],
  ["undefined", "Bearer undefined", 401],
  ["a token of 60 kB", `Bearer ${"a".repeat(12_000)}`, 401],
  ["base64 that is none", "Basic ====", 401],
  ["a password without a colon", basic(token), 401],
  ["a wrong password", basic("user:wrong"), 401],
  ["a token as user beside a wrong password", basic(`${token}:wrong`), 401],
  ["a right token, to see that one is let in", `Bearer ${token}`, 200],
  ["a right password, with any user", basic(`anybody:${token}`), 200]
]

/** Paths that look like one that is open to all. */
const disguised = [
  "//health",
  "/health/",
  "/HEALTH",
  "/health;/v1/models",
  "/health%2f..%2fv1/models",
  "/health/../v1/models",
  "/docs/../v1/models",
  "//v1/models",
  "/v1//models",
  "http://localhost/health/../v1/models"
]

const hosts = [
  "evil.example",
  "127.0.0.1.evil.example",
  "localhost.evil.example:8080",
  "10.0.0.1",
  "[::ffff:10.0.0.1]",
  "0x7f.evil",
  "localhost@evil.example",
  "evil.example#localhost",
  "evil.example/localhost",
  "evil.example@localhost",
  "user:password@localhost",
  "localhost#.evil.example",
  "localhost?.evil.example",
  "localhost/.evil.example",
  "localhost\\.evil.example",
  "localhost\t.evil.example",
  "localhost:80:90",
  "localhost:evil",
  "localhost:99999",
  "[::1].evil.example",
  "\u00efocalhost",
  ""
]

type Headers = Readonly<Record<string, string>>

const padding: Headers = Object.fromEntries(Array.from({ length: 1200 }, (_, n) => [`a${n}`, ""]))

const origins: ReadonlyArray<
  readonly [attack: string, headers: Headers, status: number, options?: SegFormerServerOptions]
> = [
  ["a page of another origin", { origin: "https://evil.example" }, 403],
  ["a page of another port of this machine", { origin: "http://localhost:3000" }, 403],
  ["a page without an origin (a sandbox, a file)", { origin: "null" }, 403],
  ["a page of the same site", { "sec-fetch-site": "same-site", origin: "http://localhost" }, 403],
  ["a page that browsers call cross-site", { "sec-fetch-site": "cross-site" }, 403],
  ["an origin that begins with this host", { origin: "http://localhost.evil.example" }, 403],
  ["an origin that is no URL", { origin: "localhost" }, 403],
  ["an origin behind 1,200 other headers", { ...padding, origin: "https://evil.example" }, 403],
  [
    "X-Forwarded-Host of somebody who is no proxy",
    { origin: "https://evil.example", "x-forwarded-host": "evil.example" },
    403
  ],
  [
    "another origin, though a token is good",
    { origin: "https://evil.example", authorization: `Bearer ${token}` },
    403,
    { tokens }
  ],
  [
    "an origin that the owner has not named",
    { origin: "https://evil.example" },
    403,
    { cors: ["https://app.example"] }
  ],
  [
    "this server's own page, to see that it is let in",
    { origin: "http://localhost", "sec-fetch-site": "same-origin" },
    400
  ],
  [
    "an origin that the owner has named",
    { origin: "https://app.example", "sec-fetch-site": "cross-site" },
    400,
    { cors: ["https://app.example"] }
  ],
  [
    "the page behind a proxy that is trusted",
    { origin: "https://app.example", "x-forwarded-host": "app.example" },
    400,
    { trustProxy: ["loopback"] }
  ]
]

const posted = [
  "/v1/jobs",
  "/v1/segment",
  "/upload",
  "/upload/batch",
  "/api/model/switch",
  "/predictions",
  "/v1/predictions",
  "/api/v1/crop",
  "/models/x/v1",
  "/v2/models/segformer/infer"
]

const all: Effect.Effect<SegFormerServerOptions> = Effect.map(
  Effect.orDie(Dialects.load(Dialects.names)),
  (dialects) => ({ dialects })
)

const everyRoute: Attack = {
  kind: "another page's requests",
  attack: `a page of another origin posts to ${posted.length} routes of all protocols`,
  must: "403 on each",
  run: Effect.gen(function* () {
    const { url } = yield* serve(undefined, yield* all)
    for (const path of posted) {
      const { status } = yield* ask(url + path, {
        method: "POST",
        headers: { origin: "https://evil.example" },
        body: "{}"
      })
      assert.equal(status, 403, path)
    }
    return "403"
  })
}

const simple = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]

const notJson = [
  "/predictions",
  "/v1/predictions",
  "/api/v1/crop",
  "/v2/models/segformer/infer",
  "/api/model/switch"
].map((path): Attack => ({
  kind: "another page's requests",
  attack: `JSON for ${path} that says it is text or a form`,
  must: "415, or 400 where the protocol has no other",
  run: Effect.gen(function* () {
    const { url } = yield* serve(undefined, yield* all)
    for (const type of simple) {
      const { status } = yield* ask(url + path, {
        method: "POST",
        headers: { "content-type": type },
        body: "{}"
      })
      assert.equal(status, path.startsWith("/api/model") ? 400 : 415, type)
    }
    return "415"
  })
}))

const preflight: Attack = {
  kind: "another page's requests",
  attack: "a browser asks whether a page of another origin may ask",
  must: "no leave by default; leave for the origin that is named",
  run: Effect.gen(function* () {
    const headers = { origin: "https://app.example", "access-control-request-method": "POST" }
    const closed = yield* serve()
    const no = yield* talk(closed.port, request("OPTIONS /v1/segment", headers))
    assert.doesNotMatch(no, /access-control-allow-origin/i)
    const open = yield* serve(undefined, { cors: ["https://app.example"] })
    const yes = yield* talk(open.port, request("OPTIONS /v1/segment", headers))
    assert.deepEqual(statuses(yes), [204])
    assert.match(yes, /access-control-allow-origin: https:\/\/app\.example\r/i)
    assert.doesNotMatch(yes, /access-control-allow-credentials/i)
    return "none, 204"
  })
}

const as = (name: string) => ({ authorization: `Bearer token-of-${name}` })
const two = [Redacted.make("token-of-ada"), Redacted.make("token-of-bob")]

/** What ada has made is asked for by bob. */
const others = (
  attack: string,
  make: (url: string) => Effect.Effect<ReadonlyArray<readonly [method: string, path: string]>>
): Attack => ({
  kind: "ids of others",
  attack,
  must: "404 for whoever has not made it",
  run: Effect.gen(function* () {
    const { url } = yield* serve(undefined, { ...(yield* all), tokens: two })
    for (const [method, path] of yield* make(url)) {
      assert.equal((yield* ask(url + path, { method, headers: as("bob") })).status, 404, `${method} ${path}`)
    }
    return "404"
  })
})

const json = (name: string, body: unknown, method = "POST"): RequestInit => ({
  method,
  headers: { ...as(name), "content-type": "application/json" },
  body: JSON.stringify(body)
})
const image = `data:image/png;base64,${Buffer.from(Fixtures.image).toString("base64")}`
const form = () => {
  const data = new FormData()
  data.append("images", new Blob([Uint8Array.from(Fixtures.image)]), "a.png")
  return data
}

const idsOfOthers: ReadonlyArray<Attack> = [
  others("a job of /v1/jobs", (url) =>
    Effect.map(ask(`${url}/v1/jobs`, { method: "POST", headers: as("ada"), body: form() }), ({ json }) => {
      const path = `/v1/jobs/${String(json["jobId"])}`
      return [
        ["GET", path],
        ["DELETE", path],
        ["GET", `${path}/result`],
        ["GET", `${path}/images/0`]
      ] as const
    })
  ),
  others("a prediction of Replicate's", (url) =>
    Effect.map(
      ask(`${url}/v1/predictions`, json("ada", { version: "segformer", input: { image } })),
      ({ json }) => {
        const path = `/v1/predictions/${String(json["id"])}`
        return [
          ["GET", path],
          ["POST", `${path}/cancel`]
        ] as const
      }
    )
  ),
  others("a batch of the inspection service's", (url) =>
    Effect.map(
      ask(`${url}/upload/batch`, { method: "POST", headers: as("ada"), body: form() }),
      ({ json }) => [
        ["GET", `/download/batch/${String(json["batch_id"])}`],
        ["GET", `/download/${String(json["summary_path"])}`]
      ]
    )
  ),
  {
    kind: "ids of others",
    attack: "Cog's PUT with an id that somebody else has used, and another image",
    must: "of one's own image, which is none",
    run: Effect.gen(function* () {
      const dialects = yield* Effect.orDie(Dialects.load(["cog"]))
      const { url } = yield* serve(undefined, { dialects, tokens: two })
      const adas = yield* ask(`${url}/predictions/one`, json("ada", { input: { image } }, "PUT"))
      assert.equal(adas.json["status"], "succeeded")
      for (const name of ["bob", "ada"]) {
        const input = { image: "data:image/png;base64,AAAA" }
        const found = yield* ask(`${url}/predictions/one`, json(name, { input }, "PUT"))
        assert.equal(found.json["status"], "failed", name)
      }
      return "failed"
    })
  }
]

export const doors: ReadonlyArray<Attack> = [
  ...disguised.map((path) =>
    asked({
      kind: "Authorization",
      attack: `no token, and ${path}`,
      status: 401,
      written: request(`GET ${path}`),
      options: { tokens }
    })
  ),
  ...authorizations.map(([attack, authorization, status]) =>
    asked({
      kind: "Authorization",
      attack,
      status,
      written: request("GET /v1/models", { authorization }),
      options: { tokens }
    })
  ),
  ...hosts.map((host) =>
    asked({
      kind: "Host",
      attack: host === "" ? "none at all" : host,
      status: [400, 403],
      written: request("GET /v1/models", { host })
    })
  ),
  asked({
    kind: "Host",
    attack: "a second one behind 1,200 other headers",
    status: 400,
    written: request("GET /v1/models", { ...padding, Host: "evil.example" })
  }),
  asked({
    kind: "Host",
    attack: "a name behind another one, with a good token",
    status: 400,
    written: request("GET /v1/models", {
      host: "evil.example@localhost",
      authorization: `Bearer ${token}`
    }),
    options: { tokens }
  }),
  ...origins.map(([attack, headers, status, options]) =>
    asked({
      kind: "another page's requests",
      attack,
      status,
      written: request("POST /v1/segment", headers, ""),
      options
    })
  ),
  everyRoute,
  ...notJson,
  preflight,
  ...idsOfOthers
]
