import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpClient } from "effect/http"
import { ImageSource } from "effect-segformer"
import { AddressGuard } from "effect-segformer/service"
import { Fixtures } from "effect-segformer/testing"
import * as fc from "fast-check"
import type { LookupFunction } from "node:net"
import * as NodeAddressGuard from "../../src/service/NodeAddressGuard.ts"
import * as Faulty from "../../src/testing/FaultyService.ts"

const picture = Faulty.answer({ body: Fixtures.image, headers: { "content-type": "image/png" } })
const open = (url: string) => ImageSource.url(url).open()

/** Names of a test, so that no real one is asked. */
const names =
  (table: Readonly<Record<string, string>>): LookupFunction =>
  (name, options, callback) => {
    const address = table[name]
    if (address === undefined)
      return callback(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), [])
    const found = { address, family: address.includes(":") ? 6 : 4 }
    if (options.all === true) callback(null, [found])
    else callback(null, found.address, found.family)
  }

describe("addresses", () => {
  it.each([
    "127.0.0.1",
    "127.255.255.255",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "198.19.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "[::1]",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456:789a::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "example.com",
    "999.1.1.1",
    "1.2.3",
    ""
  ])("%s is not public", (address) => assert.isFalse(AddressGuard.isPublic(address)))

  it.each([
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.0",
    "100.128.0.1",
    "223.255.255.255",
    "2606:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101"
  ])("%s is public", (address) => assert.isTrue(AddressGuard.isPublic(address)))

  it("an IPv6 that carries an IPv4 is as public as that", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number)
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
        for (const carrier of [`::ffff:${address}`, `::ffff:${hex}`, `64:ff9b::${hex}`, `2002:${hex}::`]) {
          assert.strictEqual(AddressGuard.isPublic(carrier), AddressGuard.isPublic(address), carrier)
        }
      })
    )
  })

  it.each([
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://[::]/",
    "http://LOCALHOST./",
    "http://127\u30020\u30020\u30021/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://metadata.google.internal/",
    "http://metadata/",
    "http://Redis:6379/",
    "http://ip6-localhost/",
    "http://localhost.localdomain/",
    "http://camera.local./",
    "http://router.home.arpa/",
    "http://kubernetes.default.svc/"
  ])("%s is refused however it is written", (url) =>
    assert.include(AddressGuard.refusal(new URL(url)), "address of this machine")
  )

  it("only http(s), and only the hosts of the list", () => {
    const refusal = (url: string) => AddressGuard.refusal(new URL(url), { hosts: ["*.example.com"] })
    assert.isUndefined(refusal("https://a.example.com/x"))
    assert.include(refusal("https://example.org/x"), "`hosts`")
    assert.include(refusal("file:///etc/passwd"), "no http(s) URL")
  })

  it.each([
    ["example.com:443", "https://example.com/", true],
    ["example.com:80", "http://example.com/", true],
    ["example.com:80", "https://example.com/", false],
    ["example.com.", "https://EXAMPLE.com/", true],
    ["example.com", "https://example.com./", true],
    ["b\u00fccher.example", "https://b\u00fccher.example/", true],
    ["*.B\u00fccher.example:443", "https://a.b\u00fccher.example/", true],
    ["::1", "http://[::1]/", true],
    ["[0:0:0:0:0:0:0:1]:80", "http://[::1]/", true],
    ["*.example.com", "https://evilexample.com/", false],
    ["*.example.com", "https://example.com/", false],
    ["*.example.com", "https://a.example.com:8443/", false],
    ["example.com/path", "https://example.com/", false],
    ["a@example.com", "https://example.com/", false],
    ["*", "https://example.com/", false],
    ["", "https://example.com/", false]
  ])("the host %j lets %s through: %s", (host, url, expected) =>
    assert.strictEqual(
      AddressGuard.refusal(new URL(url), { hosts: [host], allowPrivate: [host] }) === undefined,
      expected
    )
  )

  it.each([
    "http://127.0.0.1:9987/weights.onnx",
    "http://localhost/",
    "https://localhost.:8443/",
    "http://[::1]:8080/",
    "https://10.0.0.1/",
    "http://files.lan:9000/a"
  ])("what it says to name lets %s through", (url) => {
    const [, host = ""] = /Name "([^"]+)"/.exec(AddressGuard.refusal(new URL(url)) ?? "") ?? []
    assert.isUndefined(AddressGuard.refusal(new URL(url), { allowPrivate: [host] }))
  })
})

describe("the guard over sockets", () => {
  it.live("a name that resolves to this machine is refused at once, and nothing is asked", () =>
    Effect.gen(function* () {
      const server = yield* Faulty.make([picture])
      const guard = NodeAddressGuard.layer({ lookup: names({ "rebound.test": "127.0.0.1" }) })
      const error = yield* Effect.flip(
        Effect.provide(open(`http://rebound.test:${server.port}/a.png`), guard)
      )
      assert.strictEqual(error._tag, "InvalidUrl")
      assert.include(error.message, "rebound.test resolves to 127.0.0.1")
      assert.strictEqual(server.connections, 0)
    }).pipe(Effect.scoped)
  )

  it.live("so are this machine's own names and addresses", () =>
    Effect.gen(function* () {
      const server = yield* Faulty.make([picture])
      for (const host of ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"]) {
        const error = yield* Effect.flip(open(`http://${host}:${server.port}/a.png`))
        assert.strictEqual(error._tag, "InvalidUrl")
      }
      assert.strictEqual(server.connections, 0)
    }).pipe(Effect.provide(NodeAddressGuard.layer()), Effect.scoped)
  )

  it.live("a redirect that leads there is refused at that hop", () =>
    Effect.gen(function* () {
      const inner = yield* Faulty.make([picture])
      const outer = yield* Faulty.make([
        Faulty.redirect(`http://metadata.test:${inner.port}/latest/meta-data`)
      ])
      const guard = NodeAddressGuard.layer({
        allowPrivate: [`images.test:${outer.port}`],
        lookup: names({ "images.test": "127.0.0.1", "metadata.test": "127.0.0.1" })
      })
      const error = yield* Effect.flip(Effect.provide(open(`http://images.test:${outer.port}/a.png`), guard))
      assert.strictEqual(error._tag, "InvalidUrl")
      assert.strictEqual(outer.requests.length, 1)
      assert.strictEqual(inner.connections, 0)
    }).pipe(Effect.scoped)
  )

  it.live("a host that is allowed is reached, by name and by address", () =>
    Effect.gen(function* () {
      const server = yield* Faulty.make([picture])
      const guard = NodeAddressGuard.layer({
        allowPrivate: [`images.test:${server.port}`, `127.0.0.1:${server.port}`],
        lookup: names({ "images.test": "127.0.0.1" })
      })
      for (const host of ["images.test", "127.0.0.1"]) {
        const image = yield* Effect.provide(open(`http://${host}:${server.port}/a.png`), guard)
        assert.strictEqual(image.width, Fixtures.width)
      }
    }).pipe(Effect.scoped)
  )

  it.live("the guard of any runtime lets no request through that its list does not name", () =>
    Effect.gen(function* () {
      let asked = 0
      const client = HttpClient.make(() => Effect.suspend(() => (asked++, Effect.never)))
      const guard = AddressGuard.layer({ hosts: ["example.com"] }).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
      )
      const error = yield* Effect.flip(Effect.provide(open("https://example.org/a.png"), guard))
      assert.strictEqual(error._tag, "InvalidUrl")
      assert.strictEqual(asked, 0)
    })
  )
})
