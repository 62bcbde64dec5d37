/** A key that a service repeats leaves by no way, in no spelling; and what is data keeps each of its letters. */
import { inspect } from "node:util"
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Logger, Redacted, References, Tracer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import {
  BentoML,
  Cog,
  Custom,
  HuggingFace,
  Inspection,
  OpenInference,
  type Protocol,
  Replicate,
  Roboflow,
  SegFormerHttp,
  TfServing,
  TorchServe
} from "effect-segformer/http"
import { Secrets, ReportedFailure } from "effect-segformer/service"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import { type Handler, http, sendJson } from "../support/TestServer.ts"
import { clients } from "./support.ts"

const key = "Zk9+Qx/77a'Bc&D=="
const source = ImageSource.bytes(Fixtures.image, { name: "panel.png" })

const percent = (text: string) => encodeURIComponent(text).replaceAll("'", "%27")
const html = (text: string, write: (code: number) => string) =>
  text.replaceAll(/[^a-z0-9]/gi, (char) => write(char.charCodeAt(0)))
const unicode = (text: string) =>
  text.replaceAll(/[^a-z0-9]/gi, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

const hexadecimal = (text: string) =>
  Array.from(Buffer.from(text), (byte) => byte.toString(16).padStart(2, "0"))

const spellings: ReadonlyArray<readonly [string, string]> = [
  ["as it is", key],
  ["slashes as JSON may have them", key.replaceAll("/", "\\/")],
  ["\\u in lower case", unicode(key)],
  ["\\u in upper case", unicode(key).replaceAll(/\\u.{4}/g, (each) => `\\u${each.slice(2).toUpperCase()}`)],
  ["JSON in JSON", JSON.stringify(unicode(key)).slice(1, -1)],
  ["\\x", html(key, (code) => `\\x${code.toString(16)}`)],
  ["octal", html(key, (code) => `\\${code.toString(8).padStart(3, "0")}`)],
  ["HTML, decimal", html(key, (code) => `&#${code};`)],
  ["HTML, hexadecimal", html(key, (code) => `&#x${code.toString(16).toUpperCase()};`)],
  ["HTML, by name", key.replaceAll("&", "&amp;").replaceAll("'", "&apos;").replaceAll("/", "&sol;")],
  ["HTML twice", html(key, (code) => `&amp;#${code};`)],
  ["HTML in JSON of .NET", html(key, (code) => `\\u0026#${code};`)],
  ["percent", percent(key)],
  ["percent in lower case", percent(key).replaceAll(/%../g, (each) => each.toLowerCase())],
  ["percent twice", percent(percent(key))],
  ["percent in HTML", percent(key).replaceAll("%", "&#37;")],
  ["quoted-printable", html(key, (code) => `=${code.toString(16).toUpperCase()}`)],
  ["in lower case", key.toLowerCase()],
  ["folded", `${key.slice(0, 8)}\r\n ${key.slice(8)}`],
  ["two bytes a character", [...key].join("\0")],
  ["hexadecimal", Buffer.from(key).toString("hex")],
  ["base64", Buffer.from(key).toString("base64")],
  ["base64 with a name", Buffer.from(`me:${key}`).toString("base64")],
  ["base64 for URLs", Buffer.from(`x:${key}`).toString("base64url")],
  ["the bytes of Node's Buffer", JSON.stringify(Buffer.from(key))],
  ["a list of bytes", `[${[...Buffer.from(key)].join(", ")}]`],
  ["hexadecimal, as Node shows it", inspect(Buffer.from(key))],
  ["hexadecimal with colons", hexadecimal(key).join(":")],
  ["hexadecimal with dashes", hexadecimal(key).join("-").toUpperCase()],
  [
    "hexadecimal as C has it",
    `{${hexadecimal(key)
      .map((byte) => `0x${byte}`)
      .join(", ")}}`
  ],
  ["%u", html(key, (code) => `%u${code.toString(16).padStart(4, "0")}`)],
  ["spread to a list", JSON.stringify([...key])],
  ["spread to an object", JSON.stringify({ ...[...key] })],
  ["spread, indented", JSON.stringify([...key], null, 2)],
  ["coloured", `${key.slice(0, 6)}\u001b[31m${key.slice(6)}\u001b[0m`],
  ["the start of it", key.slice(0, 9)],
  ["the end of it", key.slice(-9)]
]

/** Enough of a spelling to know the key by. */
const tells = (text: string, spelled: string): boolean =>
  text.includes(spelled) ||
  [0, 1, 2].some((shift) => {
    const part = spelled.slice(
      Math.floor((spelled.length * shift) / 3),
      Math.ceil((spelled.length * (shift + 1)) / 3)
    )
    return part.length >= 5 && text.includes(part)
  })

/** All that a call leaves behind: its error, stack and fields, spans, lines. */
const traces = (url: string, options: Partial<SegFormerHttp.SegFormerHttpOptions>) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const spans: Array<Tracer.NativeSpan> = []
    const logger = Logger.make((line) => {
      seen.push(inspect(line.message), inspect(line.fiber.getRef(References.CurrentLogAnnotations)))
    })
    const tracer = Tracer.make({
      span: (given) => {
        const span = new Tracer.NativeSpan(given)
        spans.push(span)
        return span
      }
    })
    const service = SegFormerHttp.layer({
      baseUrl: url,
      apiKey: Redacted.make(key),
      policy: { retry: { times: 1, delay: "1 millis" } },
      ...options
    })
    const result = yield* Effect.result(Effect.provide(segment(source), service)).pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "Trace"),
      Effect.withTracer(tracer)
    )
    if (result._tag === "Failure") {
      const { failure } = result
      seen.push(failure.message, failure.stack ?? "", JSON.stringify(failure), inspect(failure, { depth: 9 }))
    }
    for (const { attributes, events, name, status } of spans) {
      seen.push(inspect([name, attributes, events], { depth: 9 }))
      // What a span gives is in memory only; how it fails is what collectors get.
      if (status._tag === "Ended" && Exit.isFailure(status.exit)) seen.push(Cause.pretty(status.exit.cause))
    }
    return seen.join("\n")
  })

const ways: ReadonlyArray<readonly [string, (spelled: string) => Handler]> = [
  [
    "an error in JSON",
    (spelled) => (_, response) => void response.writeHead(401).end(`{"error":"bad key ${spelled}"}`)
  ],
  ["an error as text", (spelled) => (_, response) => void response.writeHead(400).end(`bad key ${spelled}`)],
  [
    "a success of 70 kB",
    (spelled) => (_, response) => void response.end(`debug: ${spelled} ${"x".repeat(70_000)}`)
  ],
  [
    "a compressed error",
    (spelled) => (_, response) =>
      void response.writeHead(500, { "content-encoding": "gzip" }).end(zlib.gzipSync(`bad key ${spelled}`))
  ],
  [
    "an error that quotes 200 characters, cut within it",
    (spelled) => (_, response) => void response.writeHead(400).end(`${"é ".repeat(90)}${spelled}`)
  ]
]

const inHeaders = ["x-request-id", "location", "content-type", "content-encoding"] as const

const protocols: ReadonlyArray<Protocol> = [
  BentoML.protocol,
  Cog.make(),
  Custom.make(),
  HuggingFace.protocol,
  Inspection.protocol,
  Replicate.make({ version: "v" }),
  Roboflow.make({ modelId: "a/1", apiKey: Redacted.make(key) }),
  TfServing.make({ model: "m" }),
  TorchServe.make({ model: "m" })
]

describe.each(clients)("a key that a service repeats, over %s,", (_, layer) => {
  it.live.each(ways)("stays in the request through %s, in every spelling", ([, handlerOf]) =>
    Effect.gen(function* () {
      for (const [name, spelled] of spellings) {
        const text = yield* Effect.scoped(
          Effect.flatMap(http(handlerOf(spelled)), (server) =>
            traces(server.url, { protocol: Custom.make() })
          )
        )
        assert.isFalse(tells(text, spelled), `${name}: ${text.slice(0, 400)}`)
        assert.notInclude(text, key)
      }
    }).pipe(Effect.provide(layer))
  )

  it.live.each(inHeaders)("stays in the request through the header %s", (name) =>
    Effect.gen(function* () {
      for (const spelled of [key, percent(key), `"${key}"`, unicode(key)]) {
        const server = yield* http((_, response) => {
          response.setHeader(name, name === "location" ? `/login/${spelled}?key=${spelled}` : spelled)
          response.writeHead(name === "location" ? 302 : 200).end("nothing")
        })
        const text = yield* traces(server.url, { protocol: Custom.make() })
        assert.isFalse(tells(text, spelled), text.slice(0, 400))
      }
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live.each(protocols.map((protocol) => [protocol.name, protocol] as const))(
    "stays in the request with %s",
    ([, protocol]) =>
      Effect.gen(function* () {
        const bodies = [
          { error: `bad key ${key}` },
          { status: "failed", id: key, error: `bad key ${key}` },
          { success: false, error: key },
          { predictions: key },
          [{ label: key }]
        ]
        for (const body of bodies) {
          for (const status of [200, 401]) {
            const server = yield* http((_, response) => sendJson(response, body, status))
            const text = yield* traces(server.url, { protocol })
            assert.notInclude(text, key)
          }
        }
      }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("stays in the request where a protocol of one's own makes the error", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => void response.end(`no ${key}`))
      const protocol: Protocol = {
        ...Custom.make(),
        predict: undefined,
        encode: () => Effect.succeed({ method: "GET", path: "/" }),
        decode: ({ body, service, status }) =>
          Effect.fail(new ReportedFailure({ service, status, detail: new TextDecoder().decode(body) }))
      }
      const text = yield* traces(server.url, { protocol })
      assert.include(text, "no <redacted>")
      assert.notInclude(text, key)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live("is one also as basic authentication, as a cookie, under another name, in the query", () =>
    Effect.gen(function* () {
      const cases = [
        [
          { headers: { authorization: `Basic ${Buffer.from("me:pa55word").toString("base64")}` } },
          "pa55word"
        ],
        [{ headers: { cookie: "a=1; session=s3ss10n-1d" } }, "s3ss10n-1d"],
        [{ headers: { "x-api-key": "plain-key-1" } }, "plain-key-1"],
        [{ headers: { "x-lab": Redacted.make("Token lab-token-1") } }, "lab-token-1"],
        [{ secrets: [Redacted.make("in-a-body-1")] }, "in-a-body-1"]
      ] as const
      for (const [options, secret] of cases) {
        const server = yield* http((_, response) => void response.writeHead(400).end(`no ${secret}`))
        const text = yield* traces(server.url, { protocol: Custom.make(), ...options })
        assert.include(text, "no <redacted>")
        assert.notInclude(text, secret)
      }
      const server = yield* http(
        (request, response) => void response.writeHead(404).end(`no route ${request.path}`)
      )
      const text = yield* traces(`${server.url}/?api_key=SECRET12&sig=abc&v=2`, { protocol: Custom.make() })
      assert.include(text, "no route /predict?api_key=<redacted>&sig=<redacted>&v=2")
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.live.each(["segmentation", "background", "0000", "mask", "1"])("that is %j damages no data", (word) =>
    Effect.gen(function* () {
      const { height, width } = Fixtures
      const mask = Array.from({ length: height }, () => Array.from({ length: width }, (_, x) => x % 2))
      const server = yield* http((_, response) =>
        sendJson(response, { segmentation: mask, classes: ["background", "0000"], time: 0.10000001 })
      )
      const service = SegFormerHttp.layer({
        baseUrl: server.url,
        apiKey: Redacted.make(word),
        protocol: Custom.make()
      })
      const { classes, labelMap } = yield* Effect.provide(segment(source), service)
      assert.deepStrictEqual([...(yield* labelMap).data], mask.flat())
      assert.deepStrictEqual(
        classes.map(({ name }) => name),
        ["background", "0000"]
      )
    }).pipe(Effect.provide(layer), Effect.scoped)
  )
})

describe("Secrets", () => {
  it("hides short ones as words only, and what is hidden already stays as it is", () => {
    const hide = Secrets.make(["abc", "redacted"])
    assert.strictEqual(hide("abc abcdef x.abc"), "<redacted> abcdef x.<redacted>")
    assert.strictEqual(hide(hide("a redacted thing")), "a <redacted> thing")
    assert.strictEqual(Secrets.make(["", " "]), Secrets.nothing)
  })

  it("leaves the rest of a text as it is", () => {
    const hide = Secrets.make([key])
    for (const text of ["", "plain", "a%20b &amp; \\n c=3D\n\td", "ümläut \u{1f600} ok", "50% + 20%"]) {
      assert.strictEqual(hide(text), text)
      assert.strictEqual(hide(`${text}|${key}|${text}`), `${text}|<redacted>|${text}`)
    }
  })

  it.live("Open Inference says none either", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => sendJson(response, { error: `bad ${key}` }, 400))
      const protocol = yield* OpenInference.make({ model: "m" })
      const text = yield* traces(server.url, { protocol })
      assert.include(text, "bad <redacted>")
      assert.notInclude(text, key)
    }).pipe(Effect.provide([clients[0][1], SharpCodec.layer]), Effect.scoped)
  )
})
