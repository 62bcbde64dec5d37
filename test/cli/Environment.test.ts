/** What the environment says that is wrong, misspelt, or not meant for this call; and services that answer anything with a page. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import {
  Custom,
  HuggingFace,
  Inspection,
  SegFormer,
  SegFormerHttp,
  TfServing,
  TorchServe
} from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"
import * as Misspelt from "../../src/cli/Misspelt.ts"
import { run, runProcess } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"
import { http, sendJson } from "../support/TestServer.ts"

describe("variables of the environment", () => {
  it("that are read are those of the documentation", () => {
    const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8")
    const told = new Set(page.match(/SEGFORMER_[A-Z_]*[A-Z]/g))
    assert.deepStrictEqual([...Misspelt.known].sort(), [...told].sort())
  })

  it("that are misspelt have a nearest, and others none", () => {
    for (const [name, meant] of [
      ["SEGFORMER_SERVICE_ULR", "SEGFORMER_SERVICE_URL"],
      ["SEGFORMER_URL", "SEGFORMER_SERVICE_URL"],
      ["SEGFORMERS_SERVICE_URL", "SEGFORMER_SERVICE_URL"],
      ["segformer_service_url", "SEGFORMER_SERVICE_URL"],
      ["SEGFORMER_APIKEY", "SEGFORMER_API_KEY"],
      ["SEGFORMER_KEY", "SEGFORMER_API_KEY"],
      ["SEGFORMER_TIME_OUT", "SEGFORMER_TIMEOUT"],
      ["SEGFORMER_TIMOUT", "SEGFORMER_TIMEOUT"],
      ["SEGFORMER_PROTOCOLL", "SEGFORMER_PROTOCOL"],
      ["SEGFORMER_RETRIES", "SEGFORMER_MAX_RETRIES"],
      ["SEGFORMER_SERVE_TOKEN", "SEGFORMER_SERVE_TOKENS"]
    ] as const) {
      assert.strictEqual(Misspelt.nearest(name), meant, name)
    }
    for (const name of [...Misspelt.known, "SEGFORMER_LAB_CREDENTIAL", "SEGMENT_URL", "PATH", "SERVICE_URL"])
      assert.isUndefined(Misspelt.nearest(name), name)
  })

  it.live("are told by the command, without their values, unless a settings file names them", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "lab.json": "{}" })
      const env = { SEGFORMER_APIKEY: "hunter2", SEGFORMER_TIMOUT: "" }
      const args = ["health", "--url", "http://127.0.0.1:9"]
      const { code, stderr } = yield* runProcess(args, { cwd, env })
      assert.strictEqual(code, 3)
      assert.include(stderr, "the variable SEGFORMER_APIKEY is read nowhere: is SEGFORMER_API_KEY meant?")
      assert.notInclude(stderr, "hunter2")
      assert.notInclude(stderr, "TIMOUT")
      writeFileSync(
        join(cwd, "lab.json"),
        JSON.stringify({ url: "http://127.0.0.1:9", keyVariable: "SEGFORMER_APIKEY" })
      )
      const named = yield* runProcess(["health", "--service", "lab.json"], { cwd, env })
      assert.notInclude(named.stderr, "read nowhere")
      assert.strictEqual((yield* runProcess(args, { cwd })).stderr.includes("read nowhere"), false)
    }).pipe(Effect.scoped)
  )

  it.live("of `serve` may have blanks around them, as files with the line ends of Windows leave them", () =>
    Effect.gen(function* () {
      for (const anyone of ["no\r", " ", ""]) {
        const env = {
          SEGFORMER_SERVE_HOST: "0.0.0.0\r",
          SEGFORMER_SERVE_PORT: " 8099\r\n",
          SEGFORMER_SERVE_ALLOW_ANYONE: anyone
        }
        const { code, stderr } = yield* run(["serve"], { env })
        assert.strictEqual(code, 2)
        assert.include(stderr, "Listening at 0.0.0.0 would let anyone in")
      }
    })
  )

  it.live("of `serve` that no flag goes with are told, unless Kubernetes has set them", () =>
    Effect.gen(function* () {
      const args = ["health", "--url", "http://127.0.0.1:9"]
      const told = async (env: Record<string, string>) => {
        const { stderr } = await Effect.runPromise(Effect.scoped(runProcess(args, { env })))
        return stderr.split("\n").filter((line) => line.includes("read nowhere"))
      }
      const unknown =
        "the variable SEGFORMER_SERVE_LISTEN is read nowhere: `segformer serve --help` has the flags"
      const [line = "", ...more] = yield* Effect.promise(() => told({ SEGFORMER_SERVE_LISTEN: "1" }))
      assert.include(line, unknown)
      assert.deepStrictEqual(more, [])
      const links = {
        SEGFORMER_SERVICE_HOST: "10.0.0.1",
        SEGFORMER_SERVICE_PORT: "8080",
        SEGFORMER_SERVICE_PORT_HTTP: "8080",
        SEGFORMER_PORT: "tcp://10.0.0.1:8080",
        SEGFORMER_PORT_8080_TCP: "tcp://10.0.0.1:8080",
        SEGFORMER_PORT_8080_TCP_ADDR: "10.0.0.1"
      }
      assert.deepStrictEqual(yield* Effect.promise(() => told(links)), [])
    }).pipe(Effect.scoped)
  )

  it.live("are named where a flag was to say what they say", () =>
    Effect.gen(function* () {
      for (const [args, hint] of [
        [["segment", "a.png", "--protocol", "torchserve"], "SEGFORMER_PROTOCOL or the file of --service"],
        [["batch", ".", "--retries=3"], "SEGFORMER_MAX_RETRIES"],
        [["health", "--api-key", "k"], "SEGFORMER_API_KEY"],
        [["segment", "a.png", "--token", "k"], "SEGFORMER_API_KEY"],
        [["segment", "a.png", "--format", "coco"], undefined],
        [["export", "a.png", "--protocol", "custom"], undefined]
      ] as const) {
        const { code, stderr } = yield* run([...args])
        assert.strictEqual(code, 2)
        assert.match(stderr, /Unrecognized flag: --/)
        const [, said] = /\. Of a service, (.*) says it/.exec(stderr) ?? []
        assert.strictEqual(said, hint, args.join(" "))
      }
    })
  )

  it.live("that say where the service is are not looked at where the command line does", () =>
    Effect.gen(function* () {
      const server = yield* http((_, response) => sendJson(response, { status: "ok" }))
      const env = { SEGFORMER_SERVICE_URL: "not an address", SEGFORMER_PROTOCOL: "custom" }
      const given = yield* run(["health", "--url", server.url], { env })
      assert.strictEqual(given.code, 0, given.stderr)
      const read = yield* run(["segment", "--service", "none.json"], { env })
      assert.notStrictEqual(read.code, 0)
    }).pipe(Effect.scoped)
  )
})

describe("a service that answers 200, and says that it is not well", () => {
  const protocols = {
    custom: Custom.make(),
    huggingface: HuggingFace.make(),
    inspection: Inspection.make(),
    segformer: SegFormer.make(),
    tfserving: TfServing.make({ model: "m" }),
    torchserve: TorchServe.make({ model: "m" })
  }
  const ill = {
    "GPU gone": { success: false, error: "GPU gone" },
    'its status is "down"': { status: "down" },
    "it says that it is not": { healthy: false }
  }

  it.live("is not healthy", () =>
    Effect.gen(function* () {
      let body: object = {}
      const server = yield* http((_, response) => sendJson(response, body))
      for (const [name, protocol] of Object.entries(protocols)) {
        const { health } = yield* SegFormerHttp.make({ baseUrl: server.url, protocol })
        for (const [detail, said] of Object.entries(ill)) {
          body = said
          const found = yield* Effect.orDie(health)
          assert.isFalse(found.healthy, `${name}: ${detail}`)
          // TorchServe's own word is its status.
          assert.include([detail, "down"], found.detail, name)
        }
        // What monitors of others say of a service that is well.
        for (const said of [{ status: "UP" }, { success: true }, { error: null }, {}]) {
          body = said
          const found = yield* Effect.result(health)
          if (name === "custom" || name === "huggingface")
            assert.isTrue(found._tag === "Success" && found.success.healthy)
        }
      }
    }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
  )
})

describe("a service that answers anything with a list", () => {
  it.live("is not ready, unless it says of its health something else", () =>
    Effect.gen(function* () {
      const env = { SEGFORMER_PROTOCOL: "custom", SEGFORMER_PATH: "/predict" }
      for (const list of [[], ["a", "b"], [[1, 2]], [{ label: "a", mask: "" }]]) {
        const all = yield* http((_, response) => sendJson(response, list))
        const { code, stderr } = yield* run(["health", "--url", all.url], { env })
        assert.strictEqual(code, 3, JSON.stringify(list))
        assert.match(stderr, /POST \/predict answers 200.*the same where it would say how it is/)
        const well = yield* http(({ method }, response) =>
          sendJson(response, method === "POST" ? list : { status: "ok" })
        )
        assert.strictEqual((yield* run(["health", "--url", well.url], { env })).code, 0)
      }
    }).pipe(Effect.scoped)
  )
})

describe("a service that answers anything with a page", () => {
  const pages: Readonly<Record<string, string>> = {
    "a page": "<!doctype html><html><head><title>Lab</title></head><body></body></html>",
    "a page in capitals": "\n  <HTML><BODY>hello</BODY></HTML>",
    "a page behind a comment": "<!-- built --><!DOCTYPE html><p>x</p>"
  }
  for (const [over, layer] of [
    ["fetch", FetchHttpClient.layer],
    ["undici", NodeHttpClient.layerUndici]
  ] as const) {
    it.live(`has said nothing of its health, over ${over}`, () =>
      Effect.gen(function* () {
        for (const [name, page] of Object.entries(pages)) {
          const server = yield* http(
            (_, response) => void response.setHeader("content-type", "text/html").end(page)
          )
          const transport = yield* SegFormerHttp.make({ baseUrl: server.url, protocol: Custom.make() })
          const error = yield* Effect.flip(transport.health)
          assert.strictEqual(error._tag, "ResponseNotDecodable", name)
          assert.match(error.message, /page of HTML, and says nothing of its health/, name)
        }
        // As Flask sends a text, whatever it is.
        const flask = yield* http(
          (_, response) => void response.setHeader("content-type", "text/html").end("OK")
        )
        const transport = yield* SegFormerHttp.make({ baseUrl: flask.url, protocol: Custom.make() })
        assert.isTrue((yield* transport.health).healthy)
      }).pipe(Effect.scoped, Effect.provide(layer))
    )
  }

  it.live(
    "is not ready where it answers the route of images so too, and can be called where it does not",
    () =>
      Effect.gen(function* () {
        const page = pages["a page"]!
        const all = yield* http(
          (_, response) => void response.setHeader("content-type", "text/html").end(page)
        )
        const env = { SEGFORMER_PROTOCOL: "custom" }
        assert.strictEqual((yield* run(["health", "--url", all.url], { env })).code, 3)
        const some = yield* http(({ method }, response) =>
          method === "POST"
            ? sendJson(response, {
                mask: Array.from({ length: 32 }, () => Array.from({ length: 48 }, () => 1))
              })
            : void response.setHeader("content-type", "text/html").end(page)
        )
        const cwd = yield* folder({ "a.png": Fixtures.image })
        const { code, stderr } = yield* run(["segment", "a.png", "--out", "out", "--url", some.url], {
          cwd,
          env
        })
        assert.strictEqual(code, 0, stderr)
      }).pipe(Effect.scoped)
  )
})
