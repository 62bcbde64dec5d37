/** What is written to the socket: paths, framings of HTTP, bodies of JSON and forms. */
import { connect } from "node:net"
import { Effect } from "effect"
import { Dialects } from "effect-segformer/server"
import { ask } from "../server/support.ts"
import { assert, asked, type Attack, request, serve, statuses, talk } from "./Attack.ts"

const paths = [
  "/../../etc/passwd",
  "/download/../../../etc/passwd",
  "/download/..%2f..%2f..%2fetc%2fpasswd",
  "/download/%2e%2e/%2e%2e/etc/passwd",
  "/download/....//....//etc/passwd",
  "/download/..\\..\\etc\\passwd",
  "/download/%00",
  "/download/a%00.png",
  "/download/%",
  "/download/%zz",
  "/download/%c0%ae%c0%ae/etc/passwd",
  "/download/~root",
  "/download/file:///etc/passwd",
  "/download//etc/passwd",
  "/page/../../package.json",
  "/v1/jobs/..%2f..%2fetc",
  "/v1/jobs/%2e%2e",
  "/v1/jobs/__proto__",
  "/v1/jobs/constructor/result",
  `/${"a".repeat(10_000)}`,
  `/${"a/".repeat(2000)}`,
  "/.git/config",
  "/;/v1/models"
]

const framing = (
  attack: string,
  text: string | Uint8Array,
  status: number | ReadonlyArray<number> = 400
): Attack => asked({ kind: "smuggling", attack, status, written: text })

const post = (headers: string, body = "") =>
  `POST /v1/segment HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n${body}`
const smuggled = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"

const framings: ReadonlyArray<Attack> = [
  framing(
    "Content-Length and chunks",
    post("content-length: 6\r\ntransfer-encoding: chunked\r\n", `0\r\n\r\n${smuggled}`)
  ),
  framing(
    "chunks and Content-Length",
    post("transfer-encoding: chunked\r\ncontent-length: 6\r\n", `0\r\n\r\n${smuggled}`)
  ),
  framing("two lengths that differ", post("content-length: 0\r\ncontent-length: 44\r\n", smuggled)),
  framing("two lengths that agree", post("content-length: 5\r\ncontent-length: 5\r\n", "hello")),
  framing("a length with a sign", post("content-length: +5\r\n", "hello")),
  framing("a negative length", post("content-length: -1\r\n", "hello")),
  framing("a length in hexadecimal", post("content-length: 0x5\r\n", "hello")),
  framing("a list of lengths", post("content-length: 5, 5\r\n", "hello")),
  framing("a length beyond 64 bits", post("content-length: 99999999999999999999\r\n", "hello")),
  framing(
    "an encoding that is almost chunked",
    post("transfer-encoding: xchunked\r\n", `0\r\n\r\n${smuggled}`)
  ),
  framing(
    "chunked, and then another encoding",
    post("transfer-encoding: chunked, identity\r\n", `0\r\n\r\n${smuggled}`)
  ),
  framing(
    "two encodings",
    post("transfer-encoding: chunked\r\ntransfer-encoding: x\r\n", `0\r\n\r\n${smuggled}`)
  ),
  framing("a space before the colon", post("transfer-encoding : chunked\r\n", `0\r\n\r\n${smuggled}`)),
  framing(
    "a header that goes on in the next line",
    post("x-a: b\r\n content-length: 5\r\n", "hello"),
    [400, 411]
  ),
  framing("a header without a name", post(": x\r\n")),
  framing("a header with a NUL", post("x-a: a\0b\r\n")),
  framing("a bare line feed within a header", post("x-a: a\nx-b: b\r\n")),
  framing("a bare carriage return within a header", post("x-a: a\rx-b: b\r\n")),
  framing("chunks of negative size", post("transfer-encoding: chunked\r\n", "-1\r\nx\r\n0\r\n\r\n")),
  framing("a chunk of 2^68 bytes", post("transfer-encoding: chunked\r\n", "FFFFFFFFFFFFFFFFF\r\nx")),
  framing("a chunk size that is no number", post("transfer-encoding: chunked\r\n", "zz\r\nx\r\n0\r\n\r\n")),
  framing(
    "a chunk that is longer than it says",
    post("transfer-encoding: chunked\r\n", "1\r\nxyz\r\n0\r\n\r\n")
  ),
  framing("no Host", "GET /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n"),
  framing(
    "two Hosts",
    "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
    [400, 403]
  ),
  framing("HTTP/2 without being asked", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400, 505]),
  framing("a version that is none", "GET /health HTTP/9.9\r\nhost: localhost\r\n\r\n", [400, 505]),
  framing("a method that is none", "GETT /health HTTP/1.1\r\nhost: localhost\r\n\r\n"),
  framing("bytes of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
  framing("headers of 100 kB", request("GET /v1/models", { "x-a": "a".repeat(100_000) }), 431),
  framing(
    "an expectation that nobody can meet",
    request("POST /v1/segment", { expect: "a miracle" }, ""),
    417
  ),
  framing(
    "a body that is not what it is encoded as",
    request("POST /v1/segment", { "content-encoding": "gzip" }, "x")
  ),
  framing(
    "a body in an encoding that nobody takes off",
    request("POST /v1/segment", { "content-encoding": "compress" }, "x"),
    415
  ),
  framing(
    "frames of zstd that hold nothing, 20,000 of them",
    Buffer.concat([
      Buffer.from(post(`content-encoding: zstd\r\nconnection: close\r\ncontent-length: ${20_000 * 9}\r\n`)),
      Buffer.alloc(20_000 * 9, "28b52ffd2000010000", "hex")
    ]),
    413
  ),
  framing(
    "a frame of zstd that asks for a window of 2 GiB",
    Buffer.concat([
      Buffer.from(post("content-encoding: zstd\r\nconnection: close\r\ncontent-length: 9\r\n")),
      Buffer.from("28b52ffd00a8010000", "hex")
    ])
  ),
  framing(
    "encodings within each other",
    request("POST /v1/segment", { "content-encoding": "gzip, gzip, gzip" }, "x"),
    415
  ),
  framing("the address of another server", request("GET http://evil.example/v1/models"), [400, 403, 404]),
  {
    kind: "smuggling",
    attack: "a caller that ends its side once it has asked, to see that it is answered",
    must: "200",
    run: Effect.gen(function* () {
      const { port } = yield* serve()
      const answer = yield* Effect.callback<string>((resume) => {
        let received = ""
        const socket = connect(port, "127.0.0.1", () => socket.end(request("GET /v1/models")))
        socket.on("data", (chunk) => (received += String(chunk)))
        socket.on("close", () => resume(Effect.succeed(received)))
      })
      assert.deepEqual(statuses(answer), [200])
      return "200"
    })
  },
  {
    kind: "smuggling",
    attack: "two requests at once, the second within the first one's body",
    must: "one answer to one request, and one to each of two",
    run: Effect.gen(function* () {
      const { port } = yield* serve()
      const inner = request("GET /health")
      const seen = statuses(yield* talk(port, request("POST /v1/segment", { connection: "close" }, inner)))
      assert.deepEqual(seen, [400])
      const both = request("GET /health", { connection: "keep-alive" }) + request("GET /ready")
      assert.deepEqual(statuses(yield* talk(port, both)), [200, 200])
      return "400; 200, 200"
    })
  }
]

const deep = (n: number) => "[".repeat(n) + "]".repeat(n)

const hostile: ReadonlyArray<readonly [attack: string, body: string]> = [
  ["nothing", ""],
  ["half an object", '{"input":'],
  ["an array 100,000 deep", deep(100_000)],
  ["objects 50,000 deep", '{"input":'.repeat(50_000)],
  ["null", "null"],
  ["a number", "1e999"],
  ["__proto__", '{"__proto__":{"input":{"image":"x"}}}'],
  ["the constructor", '{"constructor":{"prototype":{"input":1}}}'],
  ["a key twice", '{"input":{"image":1},"input":{"image":[]}}'],
  ["bytes that are no UTF-8", '{"input":{"image":"\u00ff\u00fe"}}'],
  ["half a surrogate", String.raw`{"input":{"image":"\ud800"}}`],
  ["a data URL of nothing", '{"input":{"image":"data:image/png;base64,"}}'],
  ["a data URL that is no base64", '{"input":{"image":"data:image/png;base64,%%%%"}}'],
  ["an address inside", '{"input":{"image":"http://169.254.169.254/latest/meta-data"}}'],
  ["a file", '{"input":{"image":"file:///etc/passwd"}}'],
  [
    "an object of 200,000 members",
    `{${Array.from({ length: 200_000 }, (_, index) => `"k${index}":1`).join()}}`
  ],
  ["a megabyte of blanks", `{"input":${" ".repeat(2_000_000)}null}`],
  ["8 MB of tasks", `{"tasks":[${'{"data":{}},'.repeat(600_000)}1],"label_config":"x"}`],
  ["an array of 100,000 numbers", `{"instances":[${"1,".repeat(100_000)}1]}`]
]

const jsonRoutes = [
  "/predictions",
  "/v1/predictions",
  "/api/v1/crop",
  "/v2/models/segformer/infer",
  "/v1/models/segformer:predict",
  "/api/model/switch",
  "/infer/semantic_segmentation",
  "/predict",
  "/setup",
  "/webhook",
  "/api/function_invocations"
]

const bodies = hostile.map(([attack, body]): Attack => ({
  kind: "JSON",
  attack: `${attack}, to ${jsonRoutes.length} routes`,
  must: "no 5xx, nothing fetched, nothing segmented",
  run: Effect.gen(function* () {
    let segmented = 0
    const dialects = yield* Effect.orDie(Dialects.load(Dialects.names))
    const { url } = yield* serve(() => Effect.sync(() => segmented++).pipe(Effect.andThen(Effect.never)), {
      dialects
    })
    const seen = new Set<number>()
    for (const path of jsonRoutes) {
      const headers = { "content-type": "application/json" }
      const { body: said, status } = yield* ask(url + path, {
        method: "POST",
        headers,
        body: Buffer.from(body, "latin1")
      })
      assert.ok(status < 500, `${path}: ${status} ${said.toString().slice(0, 100)}`)
      assert.ok(!/root:|ami-id/.test(said.toString()))
      seen.add(status)
    }
    assert.equal(segmented, 0)
    return [...seen].sort().join(", ")
  })
}))

const part = (headers: string, body: string | undefined, end = "--x--\r\n") =>
  `--x\r\n${headers}\r\n${body === undefined ? "" : `\r\n${body}\r\n`}${end}`
const named = 'content-disposition: form-data; name="image"; filename="a.png"\r\n'

const forms: ReadonlyArray<readonly [attack: string, body: string, type?: string]> = [
  ["a part without a body", part(named, undefined)],
  ["a part whose headers do not end", part(named.trimEnd(), undefined)],
  ["a field without a body", part('content-disposition: form-data; name="image"\r\n', undefined)],
  ["a second part without a body", `${part(named, "abc", "")}${part(named, undefined)}`],
  ["a part without headers", "--x\r\n\r\nabc\r\n--x--\r\n"],
  ["a form that ends in a part", `--x\r\n${named}\r\nab`],
  ["two boundaries", part(named, "abc"), "multipart/form-data; boundary=y; boundary=x"],
  ["an empty file, its body left out, and text after the end", `${part(named, undefined)}helo\r\n`],
  ["no part at all", "--x--\r\n"],
  ["no boundary", part(named, "abc"), "multipart/form-data"],
  ["an empty boundary", part(named, "abc"), "multipart/form-data; boundary="],
  ["two names of one part", part(named + named, "abc")],
  [
    "a name in escapes that are none",
    part("content-disposition: form-data; name=\"image\"; filename*=UTF-8''%E0%A4%A\r\n", "abc")
  ],
  ["5,000 headers in a part", part(`${"x-a: b\r\n".repeat(5000)}${named}`, "abc")],
  [
    "a field of 100 kB",
    `${part('content-disposition: form-data; name="note"\r\n', "x".repeat(100_000), "")}${part(named, "abc")}`
  ],
  ["1,000 parts", `${part('content-disposition: form-data; name="note"\r\n', "x", "").repeat(1000)}--x--\r\n`]
]

const formRows = forms.map(([attack, body, type = "multipart/form-data; boundary=x"]): Attack => ({
  kind: "forms",
  attack,
  must: "400 or 413 on every route that takes forms",
  run: Effect.gen(function* () {
    const dialects = yield* Effect.orDie(Dialects.load(["inspection"]))
    const { port } = yield* serve(undefined, { dialects })
    const seen = new Set<number>()
    for (const path of ["/v1/segment", "/v1/jobs", "/upload", "/upload/batch"]) {
      const [status = 0] = statuses(
        yield* talk(port, request(`POST ${path}`, { "content-type": type }, body))
      )
      assert.ok(status === 400 || status === 413, `${path}: ${status}`)
      seen.add(status)
    }
    return [...seen].join(", ")
  })
}))

export const wire: ReadonlyArray<Attack> = [
  ...paths.map((path) =>
    asked({
      kind: "paths",
      attack: path.slice(0, 50),
      status: [400, 404, 405, 414],
      written: request(`GET ${path}`),
      secret: "root:"
    })
  ),
  ...framings,
  ...bodies,
  ...formRows
]
