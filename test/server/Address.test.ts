/** Who is one caller to the limits by address, in whatever spelling the address comes. */
import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { HttpServerRequest } from "effect/http"
import { NetAddress } from "effect/net"
import * as Address from "../../src/server/Address.ts"

describe("addresses", () => {
  const addresses = Result.getOrThrow(Address.make(["10.0.0.0/8", "fd00::7", "loopback"]))

  it("are counted alike however they are written: an IPv4 by itself, an IPv6 by its network", () => {
    for (const [counted, ...spellings] of [
      [
        "192.0.2.7",
        "192.0.2.7",
        "::ffff:192.0.2.7",
        "::FFFF:c000:207",
        "0:0:0:0:0:ffff:c000:0207",
        "[::ffff:c000:207]:80"
      ],
      [
        "2001:db8:0:0::/64",
        "2001:db8::1",
        "2001:DB8::2:3",
        "2001:0db8:0:0:9:9:9:9",
        "[2001:db8::1]:443",
        "2001:db8::1%eth0"
      ],
      ["2001:db8:0:1::/64", "2001:db8:0:1::1", "2001:db8:0:1:2:3:4.5.6.7"],
      ["0:0:0:0::/64", "::2"]
    ] as const)
      for (const spelling of spellings) assert.strictEqual(addresses.ofPeer(spelling), counted, spelling)
  })

  it("of proxies are known in every spelling, and count for nobody", () => {
    for (const proxy of [
      "10.1.2.3",
      "::ffff:10.1.2.3",
      "::ffff:a01:203",
      "fd00::7",
      "FD00:0::0:7",
      "::1",
      "127.0.0.9"
    ])
      assert.isUndefined(addresses.ofPeer(proxy), proxy)
    assert.isDefined(addresses.ofPeer("fd00::8"))
  })

  /** Whose a request is that comes from a peer with these headers: the address, if it is told, and whom limits count. */
  const seen = (peer: string | undefined, headers: Record<string, string>) => {
    const request = HttpServerRequest.fromWeb(new Request("http://localhost/", { headers })).modify({
      remoteAddress: Option.fromUndefinedOr(peer)
    })
    const ip = addresses.ip(request)
    return [ip === undefined ? undefined : NetAddress.formatIp(ip), addresses.of(request)]
  }
  const proxy = "10.0.0.1"
  const stranger = "203.0.113.9"

  it("are those that a trusted proxy names, in either header, each as long as the one that says it is trusted", () => {
    for (const [forwarded, expected] of [
      ["for=192.0.2.7", "192.0.2.7"],
      ["FOR=192.0.2.7;proto=https;by=10.0.0.1", "192.0.2.7"],
      ['proto=https;for="192.0.2.7:4711"', "192.0.2.7"],
      ['for="192.0.2.7:_port"', "192.0.2.7"],
      ["for=198.51.100.1, for=192.0.2.7, for=10.9.9.9", "192.0.2.7"],
      ["for=192.0.2.7;", "192.0.2.7"],
      ['for=192.0.2.7;ext="a, for=198.51.100.1; \\"b"', "192.0.2.7"],
      ["for=192.0.2.7, ,", "192.0.2.7"],
      ["for=198.51.100.1,,for=192.0.2.7;;proto=https", "192.0.2.7"],
      // What a caller wrote before the proxy did changes nothing of that: it would be counted, and let in, as the proxy.
      ["nonsense, for=192.0.2.7", "192.0.2.7"],
      ['for=", for=192.0.2.7', "192.0.2.7"],
      ['", for="192.0.2.7:80";by="_x"', "192.0.2.7"],
      // No proxy says anything: the request is its own.
      ["", proxy],
      [", ,", proxy]
    ] as const) {
      assert.deepStrictEqual(seen(proxy, { forwarded }), [expected, expected], forwarded)
      assert.deepStrictEqual(seen(stranger, { forwarded }), [stranger, stranger], forwarded)
    }
    for (const forwarded of ['for="[2001:db8::1]:4711"', 'for="\\, for="[2001:db8::1]:_x"'])
      assert.deepStrictEqual(seen(proxy, { forwarded }), ["2001:db8::1", "2001:db8:0:0::/64"], forwarded)
    const both = { forwarded: "for=192.0.2.7", "x-forwarded-for": "192.0.2.8" }
    assert.strictEqual(seen(proxy, both)[0], "192.0.2.8")
    assert.strictEqual(seen(proxy, { ...both, "x-forwarded-for": " " })[0], "192.0.2.7")
    assert.strictEqual(seen(proxy, { ...both, "x-forwarded-for": "192.0.2.8, " })[0], "192.0.2.8")
  })

  it("are none of whom a trusted proxy hides: each word is one to count, all who are unknown are another", () => {
    for (const [forwarded, counted] of [
      ["for=_hidden", "_hidden"],
      ['for="_hidden:4711"', "_hidden"],
      ['for="_SEVKISEK"', "_SEVKISEK"],
      ["for=_a.localhost", "_a.localhost"],
      ["for=198.51.100.1, for=_hidden, for=10.9.9.9", "_hidden"],
      ["for=unknown", "unknown"],
      ["for=UNKNOWN", "unknown"],
      ['for="unknown:80"', "unknown"],
      ["for=192.0.2.7, for=unknown", "unknown"],
      ["for=unknown, for=10.9.9.9", "unknown"],
      // What is not written as it should be tells of nobody, nor does what is left out.
      ['for=""', "unknown"],
      ["for=localhost", "unknown"],
      ["for=192.0.2.7.", "unknown"],
      ["for=0300.0.2.7", "unknown"],
      ['for="unix:"', "unknown"],
      ["for=192.0.2.7, proto=https", "unknown"],
      ["192.0.2.7", "unknown"],
      ["for=192.0.2.7, for", "unknown"],
      ['for="192.0.2.7', "unknown"]
    ] as const) {
      assert.deepStrictEqual(seen(proxy, { forwarded }), [undefined, counted], forwarded)
      assert.deepStrictEqual(seen(stranger, { forwarded }), [stranger, stranger], forwarded)
    }
    for (const [listed, counted] of [
      ["unknown", "unknown"],
      ["192.0.2.7, unknown", "unknown"],
      ["192.0.2.7, _x", "_x"],
      ["unix:", "unknown"],
      ["(null)", "unknown"],
      ["127.0.0.1.evil.example", "unknown"]
    ] as const)
      assert.deepStrictEqual(seen(proxy, { "x-forwarded-for": listed }), [undefined, counted], listed)
    // It passes something on, and does not say for whom.
    for (const name of ["x-forwarded-proto", "x-forwarded-host"])
      assert.deepStrictEqual(seen(proxy, { [name]: "https" }), [undefined, "unknown"], name)
    assert.deepStrictEqual(seen(undefined, {}), [undefined, "unknown"])
  })

  it("what is none is no proxy", () => {
    for (const proxy of [
      "",
      "localhost",
      "10.0.0.0/33",
      "fd00::/129",
      "10.0.0.0/8/8",
      "10.0.0",
      "10.0.0.0/",
      "_hidden",
      "unknown",
      "010.0.0.1",
      "::ffff:10.0.0.0/24",
      "::ffff:10.0.0.0/129",
      "10.0.0.0/a"
    ])
      assert.isTrue(Result.isFailure(Address.make([proxy])), proxy)
  })
})
