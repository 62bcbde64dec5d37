/** Which model a probe names, of servers of KServe's protocols that list theirs in ways of their own. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { Probe } from "effect-segformer/http"
import { http, sendJson } from "../support/TestServer.ts"
import { live } from "./probed.ts"

/** What is answered to `METHOD path`, by the body that came; any other is not there. */
const served = (routes: Readonly<Record<string, unknown>>, other: readonly [status: number, body: object]) =>
  http(({ body, method, path }, response) => {
    const found = routes[`${method} ${path}`]
    if (found === undefined) return sendJson(response, other[1], other[0])
    return method === "POST" && body.length === 0
      ? sendJson(response, { detail: [{ loc: ["body"], msg: "Field required" }] }, 422)
      : sendJson(response, found)
  })

const nothing = [404, { error: "not found" }] as const
const v2 = (name: string) => ({
  "GET /v2": { name, version: "2", extensions: [] },
  "GET /v2/health/ready": {},
  "GET /v2/models/seg": { name: "seg", inputs: [], outputs: [] },
  "GET /v2/models/seg/ready": { name: "seg", ready: true }
})
const available = [{ version: "1", state: "AVAILABLE" }]

describe("the model of a probe", () => {
  const rows: ReadonlyArray<readonly [string, string, Readonly<Record<string, unknown>>]> = [
    [
      "MLServer's, which wants a body",
      "openinference",
      { ...v2("mlserver"), "POST /v2/repository/index": [{ name: "seg", state: "READY" }] }
    ],
    [
      "Triton's that is loaded",
      "openinference",
      {
        ...v2("triton"),
        "POST /v2/repository/index": [
          { name: "seg_old", state: "UNAVAILABLE", reason: "no such file" },
          { name: "seg", version: "1", state: "READY" }
        ]
      }
    ],
    [
      "KServe's, in its second protocol",
      "openinference",
      { ...v2("kserve"), "GET /v2/models": { models: ["seg"] } }
    ],
    [
      "KServe's, in its first protocol",
      "tfserving",
      { "GET /v1/models": { models: ["pre", "seg"] }, "GET /v1/models/seg": { name: "seg", ready: true } }
    ],
    [
      "OpenVINO's, in its configuration",
      "openinference",
      { ...v2("OpenVINO Model Server"), "GET /v1/config": { seg: { model_version_status: available } } }
    ]
  ]
  for (const [name, protocol, routes] of rows) {
    live(
      name,
      Effect.gen(function* () {
        const server = yield* served(routes, nothing)
        const found = yield* Probe.probe(server.url)
        assert.strictEqual(found.protocol, protocol)
        assert.strictEqual(found.settings?.model, "seg")
        assert.isTrue(found.health.healthy, found.health.detail)
        assert.isAtMost(server.requests.length, 10)
      })
    )
  }

  live(
    "TorchServe with tokens is known by how it refuses",
    Effect.gen(function* () {
      const refusal = { code: 400, type: "InvalidKeyException", message: "Token Authorization failed" }
      const server = yield* served({}, [400, refusal])
      const found = yield* Probe.probe(server.url)
      assert.strictEqual(found.protocol, "torchserve")
      assert.match(found.key ?? "", /SEGFORMER_API_KEY/)
    })
  )
})
