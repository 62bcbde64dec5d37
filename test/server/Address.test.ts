/** Who is one caller to the limits by address, in whatever spelling the address comes. */
import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { HttpServerRequest } from "effect/http"
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

  it("are those that a trusted proxy names, in either header, each as long as the one that says it is trusted", () => {
    const seen = (peer: string, headers: Record<string, string>) =>
      addresses.whole(
        HttpServerRequest.fromWeb(new Request("http://localhost/", { headers })).modify({
          remoteAddress: Option.some(peer)
        })
      )
    const proxy = "10.0.0.1"
    for (const [forwarded, expected] of [
      ["for=192.0.2.7", "192.0.2.7"],
      ["FOR=192.0.2.7;proto=https;by=10.0.0.1", "192.0.2.7"],
      ['proto=https;for="192.0.2.7:4711"', "192.0.2.7"],
      ['for="[2001:db8::1]:4711"', "2001:db8::1"],
      ["for=198.51.100.1, for=192.0.2.7, for=10.9.9.9", "192.0.2.7"],
      ["for=192.0.2.7;", "192.0.2.7"],
      ['for=192.0.2.7;ext="a, for=198.51.100.1; \\"b"', "192.0.2.7"],
      ["for=192.0.2.7, ,", "192.0.2.7"],
      ["for=198.51.100.1,,for=192.0.2.7;;proto=https", "192.0.2.7"],
      // What a caller wrote before the proxy did changes nothing of that: it would be counted, and let in, as the proxy.
      ["nonsense, for=192.0.2.7", "192.0.2.7"],
      ['for=", for=192.0.2.7', "192.0.2.7"],
      ['", for="192.0.2.7:80";by="_x"', "192.0.2.7"],
      ['for="\\, for="[2001:db8::1]:4711"', "2001:db8::1"],
      // Who hides is counted as the proxy that says so, and what is not written as it should be says nothing.
      ["for=unknown", proxy],
      ["for=_hidden", proxy],
      ["for=192.0.2.7, proto=https", proxy],
      ["192.0.2.7", proxy],
      ["for=192.0.2.7, for", proxy],
      ['for="192.0.2.7', proxy],
      ["", proxy]
    ] as const) {
      assert.strictEqual(seen(proxy, { forwarded }), expected, forwarded)
      assert.strictEqual(seen("203.0.113.9", { forwarded }), "203.0.113.9", forwarded)
    }
    const both = { forwarded: "for=192.0.2.7", "x-forwarded-for": "192.0.2.8" }
    assert.strictEqual(seen(proxy, both), "192.0.2.8")
    assert.strictEqual(seen(proxy, { ...both, "x-forwarded-for": " " }), "192.0.2.7")
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
      "10.0.0.0/a"
    ])
      assert.isTrue(Result.isFailure(Address.make([proxy])), proxy)
  })
})
