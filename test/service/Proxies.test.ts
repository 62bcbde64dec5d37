import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, References } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { Proxies } from "effect-segformer/service"
import { NodeAddressGuard, NodeHttp } from "effect-segformer/service/node"
import { Fixtures } from "effect-segformer/testing"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import * as ProxyServer from "../support/ProxyServer.ts"
import { closedPort, http, sendJson } from "../support/TestServer.ts"
import * as TlsServer from "../support/TlsServer.ts"

const call = segment(ImageSource.bytes(Fixtures.image, { name: "panel.png" }))

/** A call in an environment. */
const from = (
  env: Readonly<Record<string, string>>,
  baseUrl: string,
  options: NodeHttp.NodeHttpOptions = {},
  retries = 0
) =>
  call.pipe(
    Effect.provide(
      SegFormerHttp.layer({ baseUrl, policy: { retry: { times: retries, delay: "1 millis" } } }).pipe(
        Layer.provide(NodeHttp.layer(options)),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
      )
    ),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

const tls = TlsServer.makeWith((request, response) => {
  request.resume()
  request.on("end", () => sendJson(response, InspectionServer.uploadAnswer()))
})

describe("which requests go through a proxy", () => {
  const env = { http_proxy: "http://lower:1", HTTP_PROXY: "http://upper:1", HTTPS_PROXY: "secure:3128" }
  it.each([
    [env, "http://a.example/", "http://lower:1"],
    [env, "https://a.example/", "http://secure:3128"],
    [{ HTTP_PROXY: "http://p:1" }, "https://a.example/", undefined],
    [{ HTTP_PROXY: "http://p:1", http_proxy: "" }, "http://a.example/", undefined],
    [{ HTTP_PROXY: "http://p:1", REQUEST_METHOD: "GET" }, "http://a.example/", undefined],
    [{ ...env, NO_PROXY: "*" }, "http://a.example/", undefined],
    [{ ...env, NO_PROXY: "example" }, "http://a.example/", undefined],
    [{ ...env, NO_PROXY: ".example" }, "http://a.example/", undefined],
    [{ ...env, NO_PROXY: "ample" }, "http://a.example/", "http://lower:1"],
    [{ ...env, NO_PROXY: "*.b.example" }, "http://b.example/", "http://lower:1"],
    [{ ...env, NO_PROXY: "*.b.example" }, "http://a.b.example/", undefined],
    [{ ...env, NO_PROXY: "a.example:8080" }, "http://a.example/", "http://lower:1"],
    [{ ...env, NO_PROXY: "a.example:8080" }, "http://a.example:8080/", undefined],
    [{ ...env, NO_PROXY: "a.example:443" }, "https://a.example/", undefined],
    [{ ...env, NO_PROXY: "x, 10.0.0.0/8 y" }, "http://10.9.8.7/", undefined],
    [{ ...env, NO_PROXY: "10.0.0.0/8" }, "http://11.9.8.7/", "http://lower:1"],
    [{ ...env, NO_PROXY: "::1" }, "http://[::1]:8080/", undefined],
    [{ ...env, NO_PROXY: "[::1]:8080" }, "http://[::1]:8080/", undefined],
    [{ ...env, NO_PROXY: "fd00::/8" }, "http://[fd00::5]/", undefined],
    [{ ...env, no_proxy: "", NO_PROXY: "*" }, "http://a.example/", "http://lower:1"],
    [{ ...env, NO_PROXY: "A.Example." }, "http://a.example./", undefined],
    [{ ...env, NO_PROXY: ".b\u00fccher.example" }, "http://a.b\u00fccher.example/", undefined],
    [{ ALL_PROXY: "http://all:1" }, "http://a.example/", "http://all:1"],
    [{ all_proxy: "http://all:1", HTTP_PROXY: "http://p:1" }, "https://a.example/", "http://all:1"],
    [{ all_proxy: "http://all:1", HTTP_PROXY: "http://p:1" }, "http://a.example/", "http://p:1"],
    [{ ALL_PROXY: "http://all:1", http_proxy: "" }, "http://a.example/", undefined],
    [{ ALL_PROXY: "http://all:1", NO_PROXY: "a.example" }, "http://a.example/", undefined]
  ])("%o: %s by %s", (environment, url, name) =>
    assert.strictEqual(Proxies.of(Proxies.from(environment), new URL(url))?.name, name)
  )
})

it("a proxy that speaks no HTTP, or whose name is none, is named, and not passed by", () => {
  for (const given of ["socks5://p:1", '"http://p:1"', "'p:1'", "http://p{x}:1", "p!:1"]) {
    const proxies = Proxies.from({ ALL_PROXY: given })
    assert.match(
      Proxies.of(proxies, new URL("http://a.example/"))?.wrong ?? "",
      /^ALL_PROXY is no address of a proxy/,
      given
    )
  }
  for (const given of [
    "p:1",
    "http://p_1.example.",
    "http://[::1]:3128",
    "http://b\u00fccher.example:1",
    "10.0.0.1:1"
  ])
    assert.isUndefined(Proxies.from({ ALL_PROXY: given }).http?.wrong, given)
})

describe("NodeHttp and proxies", () => {
  it.live("sends http to the proxy whole, and https through a tunnel whose end is checked", () =>
    Effect.gen(function* () {
      const proxy = yield* ProxyServer.make({})
      const plain = yield* InspectionServer.make
      yield* from({ HTTP_PROXY: proxy.url }, plain.url)
      assert.deepStrictEqual(proxy.forwarded, [`${plain.url}/upload`])
      assert.deepStrictEqual(plain.uploads[0]?.bytes, Fixtures.image)
      const secure = yield* tls
      yield* from({ https_proxy: proxy.url }, secure.url, { ca: TlsServer.cert })
      assert.deepStrictEqual(proxy.tunnels, [secure.url.replace("https://", "")])
      assert.strictEqual(secure.requests, 1)
      const error = yield* Effect.flip(from({ https_proxy: proxy.url }, secure.url))
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.match(error.message, new RegExp(`self-signed.*through the proxy ${proxy.url} of https_proxy`))
      assert.strictEqual(secure.requests, 1)
    }).pipe(Effect.scoped)
  )

  it.live("spares what NO_PROXY names, and all where it is told to", () =>
    Effect.gen(function* () {
      const proxy = yield* ProxyServer.make({})
      const server = yield* InspectionServer.make
      yield* from({ HTTP_PROXY: proxy.url, NO_PROXY: "127.0.0.0/8" }, server.url)
      yield* from({ HTTP_PROXY: proxy.url }, server.url, { proxy: false })
      assert.deepStrictEqual(proxy.forwarded, [])
      yield* from({}, server.url, { proxy: proxy.url })
      assert.lengthOf(proxy.forwarded, 1)
      assert.lengthOf(server.uploads, 3)
    }).pipe(Effect.scoped)
  )

  it.live("gives the proxy its name and password, and tells who asks for them in vain", () =>
    Effect.gen(function* () {
      const proxy = yield* ProxyServer.make({ account: "me:pa ss" })
      const server = yield* InspectionServer.make
      const secure = yield* tls
      const withPassword = proxy.url.replace("//", "//me:pa%20ss@")
      yield* from({ HTTP_PROXY: withPassword }, server.url)
      yield* from({ HTTPS_PROXY: withPassword }, secure.url, { ca: TlsServer.cert })
      assert.isUndefined(server.requests[0]?.headers["proxy-authorization"])
      for (const [variable, url] of [
        ["HTTP_PROXY", server.url],
        ["HTTPS_PROXY", secure.url]
      ] as const) {
        const wrong = proxy.url.replace("//", "//me:hunter2@")
        const error = yield* Effect.flip(from({ [variable]: wrong }, url, { ca: TlsServer.cert }, 3))
        assert.strictEqual(error._tag, "ConnectionFailed")
        assert.include(error.message, `the proxy ${proxy.url} asks for a name and a password (407)`)
        assert.include(error.message, variable)
        assert.notInclude(JSON.stringify(error) + error.message, "hunter2")
        assert.isFalse(error.isRetryable)
      }
      assert.lengthOf(server.uploads, 1)
    }).pipe(Effect.scoped)
  )

  it.live(
    "says whose fault it is: of a proxy that is away, that refuses, or that answers for the service",
    () =>
      Effect.gen(function* () {
        const secure = yield* tls
        const server = yield* InspectionServer.make
        const away = `http://127.0.0.1:${yield* closedPort}`
        const one = yield* Effect.flip(from({ HTTPS_PROXY: away }, secure.url))
        assert.include(one.message, `the proxy ${away} of HTTPS_PROXY cannot be reached`)
        assert.notInclude(one.message, "Is the service running")
        const proxy = yield* ProxyServer.make({})
        const gone = `https://127.0.0.1:${yield* closedPort}`
        const two = yield* Effect.flip(from({ HTTPS_PROXY: proxy.url }, gone))
        assert.match(two.message, /the proxy .* of HTTPS_PROXY made no connection to .*, and answered 502/)
        assert.isTrue(two.isRetryable)
        proxy.refuses = 403
        const three = yield* Effect.flip(from({ HTTPS_PROXY: proxy.url }, secure.url, {}, 3))
        assert.include(three.message, "and answered 403")
        assert.isFalse(three.isRetryable)
        const four = yield* Effect.flip(from({ HTTP_PROXY: proxy.url }, server.url))
        assert.include(four.message, `through the proxy ${proxy.url}, which may say so itself`)
        const five = yield* Effect.flip(from({ HTTP_PROXY: "ftp://proxy:21" }, server.url, {}, 3))
        assert.include(five.message, "HTTP_PROXY is no address of a proxy: write it as http://host:port")
        assert.strictEqual(five._tag, "InvalidUrl")
      }).pipe(Effect.scoped)
  )

  it.live("tells an answer that is the proxy's own by its headers, and leaves that of a service alone", () =>
    Effect.gen(function* () {
      const page =
        '<?xml version="1.0" encoding="UTF-8" ?>\n<!DOCTYPE html>\n<title>500 Unable to connect</title>'
      const cases: ReadonlyArray<
        readonly [status: number, headers: Record<string, string>, tag: string, words: RegExp, again: boolean]
      > = [
        // Squid's and Tinyproxy's, as they are.
        [
          403,
          { "x-squid-error": "ERR_ACCESS_DENIED 0" },
          "ConnectionFailed",
          /403 \(ERR_ACCESS_DENIED\)/,
          false
        ],
        [
          503,
          { "x-squid-error": "ERR_CONNECT_FAIL 111" },
          "ConnectionFailed",
          /503 \(ERR_CONNECT_FAIL\)/,
          true
        ],
        [503, { "x-squid-error": "ERR_DNS_FAIL 0" }, "ConnectionFailed", /503 \(ERR_DNS_FAIL\)/, true],
        [403, { server: "tinyproxy/1.11.1" }, "ConnectionFailed", /answered 403 \(Tinyproxy\)/, false],
        [500, { server: "tinyproxy/1.11.1" }, "ConnectionFailed", /answered 500 \(Tinyproxy\)/, true],
        [401, { server: "tinyproxy/1.11.1" }, "ConnectionFailed", /asks for a name and a password/, false],
        // It had passed the request on: whether it was done is not known.
        [504, { "x-squid-error": "ERR_READ_TIMEOUT 0" }, "ServiceUnavailable", /500 Unable to connect/, true],
        [401, { server: "gunicorn" }, "Unauthorized", /500 Unable to connect/, false],
        [403, { "x-squid-error": "NONE" }, "Unauthorized", /which may say so itself/, false],
        [500, { server: "nginx" }, "ServiceFailed", /500 Unable to connect/, true]
      ]
      for (const [status, headers, tag, words, again] of cases) {
        const proxy = yield* http((_, response) => void response.writeHead(status, headers).end(page))
        const error = yield* Effect.flip(from({ HTTP_PROXY: proxy.url }, "http://service.example"))
        assert.strictEqual(error._tag, tag, words.source)
        assert.match(error.message, words)
        assert.strictEqual(error.isRetryable, again, words.source)
        if (tag === "ConnectionFailed") assert.notMatch(error.message, /API key/)
        assert.notInclude(error.message, "<")
      }
    }).pipe(Effect.scoped)
  )
})

describe("NodeAddressGuard and proxies", () => {
  const open = (
    url: string,
    proxy: string,
    table: Readonly<Record<string, string>>,
    allowPrivate: ReadonlyArray<string> = []
  ) =>
    ImageSource.url(url)
      .open()
      .pipe(
        Effect.provide(
          NodeAddressGuard.layer({
            proxy,
            allowPrivate,
            ca: TlsServer.cert,
            lookup: (name, _, callback) => {
              const address = table[name]
              if (address === undefined)
                callback(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), [])
              else callback(null, [{ address, family: 4 }])
            }
          })
        ),
        Effect.provideService(References.MinimumLogLevel, "None")
      )

  it.live("judges a name before a proxy is asked for it, and lets what is public through", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => {
        response.writeHead(200, { "content-type": "image/png" })
        response.end(Fixtures.image)
      })
      const proxy = yield* ProxyServer.make({ hosts: { "pictures.test": server.port } })
      const table = { "inside.test": "10.0.0.7", "localhost.test": "127.0.0.1" }
      for (const name of ["inside.test", "localhost.test", "unknown.test"]) {
        const error = yield* Effect.flip(open(`http://${name}/a.png`, proxy.url, table))
        assert.strictEqual(error._tag, "InvalidUrl")
        assert.include(error.message, name === "unknown.test" ? "cannot be looked up here" : "resolves to")
      }
      const literal = yield* Effect.flip(open("http://169.254.169.254/latest", proxy.url, table))
      assert.strictEqual(literal._tag, "InvalidUrl")
      assert.deepStrictEqual([...proxy.tunnels, ...proxy.forwarded], [])
      const url = `http://localhost:${server.port}/a.png`
      const image = yield* open(url, proxy.url, table, [`localhost:${server.port}`])
      assert.deepStrictEqual([image.width, image.height], [48, 32])
      assert.deepStrictEqual(proxy.forwarded, [url])
    }).pipe(Effect.scoped)
  )
})
