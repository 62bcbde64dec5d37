/** Who may come in by where they come from, for tools that send no token. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, Result } from "effect"
import { NetAddress } from "effect/net"
import { CvatDialect } from "effect-segformer/server"
import * as Address from "../../src/server/Address.ts"
import { ask, rawGet, serve, isWeb } from "./support.ts"

/** As a proxy on this machine passes a caller on: its word is taken for where they come from. */
const from = (address: string, headers: Record<string, string> = {}): RequestInit => ({
  headers: { "x-forwarded-for": address, ...headers }
})
const behind = { trustProxy: ["loopback"], dialects: [CvatDialect.make()] }

describe("addresses to let in", () => {
  const isAmong = Result.getOrThrow(
    Address.among(["172.16.0.0/12", "10.0.0.7", "fd00::/8", "::ffff:192.168.0.0/112", "198.51.100.9/24"])
  )
  const isIn = (text: string) =>
    isAmong(Option.getOrUndefined(Result.getSuccess(NetAddress.ipFromString(text))))

  it("are networks and single addresses, in every spelling", () => {
    for (const address of [
      "172.16.0.1",
      "172.31.255.254",
      "10.0.0.7",
      "fd00::1",
      "fdff:ffff::1",
      "192.168.255.1",
      "198.51.100.1"
    ])
      assert.isTrue(isIn(address), address)
    for (const address of [
      "172.15.255.255",
      "172.32.0.0",
      "10.0.0.8",
      "192.169.0.1",
      "198.51.101.9",
      "fe80::1",
      "::1",
      "127.0.0.1",
      "",
      "host"
    ])
      assert.isFalse(isIn(address), address)
  })

  it("are refused where they are none, before a server starts", () =>
    Effect.gen(function* () {
      for (const address of ["localhost", "172.16.0.0/33", "10.0.0", "*", "", "10.0.0.0/8/8", "fd00::/129"]) {
        const error = yield* Effect.flip(Effect.scoped(serve(undefined, { allowFrom: [address] })))
        assert.strictEqual(error._tag, "InvalidAddress", address)
        assert.include(error.message, `"${address}"`)
      }
    }).pipe(Effect.runPromise))
})

describe("a server that is open to a network", () => {
  it.live("lets that network in without a token, and nobody else", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, {
        ...behind,
        allowFrom: ["172.16.0.0/12", "fd00::/8", "loopback"]
      })
      for (const path of ["/api/functions", "/v1/models"]) {
        for (const address of ["172.17.0.5", "::ffff:172.17.0.5", "fd00::9"]) {
          assert.strictEqual((yield* ask(url + path, from(address))).status, 200, address)
        }
        for (const address of ["192.0.2.7", "172.32.0.1", "10.0.0.1", "2001:db8::1", "8.8.8.8, 192.0.2.7"]) {
          const { body, status } = yield* ask(url + path, from(address))
          assert.strictEqual(status, 403, address)
          assert.include(body.toString(), "--allow-from")
        }
        // The word of somebody who is no proxy is not taken.
        assert.strictEqual((yield* ask(url + path, from("172.17.0.5, 192.0.2.7"))).status, 403)
        // Nor is that of a caller who writes so much that what the proxy adds is the last of it.
        const many = Array.from({ length: 1200 }, (_, n) => [`a${n}`, ""] as const)
        const last = { headers: Object.fromEntries([...many, ["x-forwarded-for", "192.0.2.7"]]) }
        if (!isWeb) assert.strictEqual((yield* ask(url + path, last)).status, 403)
        // Whom the proxy hides is nobody, however the proxy's own address would come in.
        for (const headers of [
          { "x-forwarded-for": "unknown" },
          { "x-forwarded-for": "172.17.0.5, _hidden" },
          { forwarded: "for=unknown" },
          { forwarded: "for=_a.localhost" },
          { forwarded: "for=172.17.0.5, proto=https" }
        ]) {
          const { body, status } = yield* ask(url + path, { headers })
          assert.strictEqual(status, 403, JSON.stringify(headers))
          assert.include(body.toString(), "an address that is not told here")
        }
        // This machine itself.
        assert.strictEqual((yield* ask(url + path)).status, 200)
      }
    }).pipe(Effect.scoped)
  )

  it.live("looks at nobody's word for where they come from, unless a proxy is trusted", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { allowFrom: ["loopback"], tokens: [Redacted.make("a-token")] })
      assert.strictEqual((yield* ask(`${url}/v1/models`, from("192.0.2.7"))).status, 200)
      const other = yield* serve(undefined, {
        allowFrom: ["192.0.2.0/24"],
        tokens: [Redacted.make("a-token")]
      })
      assert.strictEqual((yield* ask(`${other.url}/v1/models`, from("192.0.2.7"))).status, 401)
    }).pipe(Effect.scoped)
  )

  it.live("asks others for a token, and looks at one that comes from the network", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, {
        ...behind,
        allowFrom: ["172.16.0.0/12"],
        tokens: [Redacted.make("a-token")]
      })
      const status = (address: string, token?: string) =>
        Effect.map(
          ask(
            `${url}/v1/models`,
            from(address, token === undefined ? {} : { authorization: `Bearer ${token}` })
          ),
          (answer) => answer.status
        )
      assert.strictEqual(yield* status("172.17.0.5"), 200)
      assert.strictEqual(yield* status("192.0.2.7"), 401)
      assert.strictEqual(yield* status("192.0.2.7", "a-token"), 200)
      assert.strictEqual(yield* status("172.17.0.5", "a-token"), 200)
      assert.strictEqual(yield* status("172.17.0.5", "wrong"), 401)
    }).pipe(Effect.scoped)
  )

  it.live("is no part of a stranger's page, by whatever name it is asked", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(undefined, { allowFrom: ["loopback"] })
      for (const [host, status] of [
        ["nuclio:8070", 200],
        ["host.docker.internal:8070", 200],
        ["172.17.0.1:8070", 200],
        [`[fd00::1]:${port}`, 200],
        ["segmenter.default.svc.cluster.local", 200],
        ["localhost", 200],
        ["evil.example", 403],
        ["127.0.0.1.evil.example", 403],
        ["internal.evil.example:8070", 403]
      ] as const) {
        assert.match(
          yield* rawGet(port, "/v1/models", host),
          new RegExp(String.raw`^HTTP/1\.1 ${status} `),
          host
        )
      }
      // A web handler without tokens and addresses is on no loopback: whoever its framework lets through may come.
      if (isWeb) return
      // What a container calls the machine is a name of a server on loopback, too.
      const alone = yield* serve()
      assert.match(yield* rawGet(alone.port, "/v1/models", "host.docker.internal:8080"), /^HTTP\/1\.1 200 /)
      assert.match(yield* rawGet(alone.port, "/v1/models", "evil.docker.internal"), /^HTTP\/1\.1 403 /)
    }).pipe(Effect.scoped)
  )
})
