/** Services by their settings: what they paint, how they let in, proxies, authorities, and files that are wrong. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Palette } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import * as InspectionModel from "../http/servers/InspectionModel.ts"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import * as Model from "../http/servers/Model.ts"
import { run } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"
import * as ProxyServer from "../support/ProxyServer.ts"
import { http, sendJson } from "../support/TestServer.ts"
import * as TlsServer from "../support/TlsServer.ts"
import { answer, fastApi, gateway } from "./services.ts"

describe("a service that only paints", () => {
  it.live(
    "gives its pictures and its regions to segment and to batch, and a label map with a palette of a file",
    () =>
      Effect.gen(function* () {
        const server = yield* InspectionServer.make
        const cwd = yield* folder({ "in/a.png": Fixtures.image, "in/b.png": Fixtures.image })
        const one = yield* run(["segment", "--url", server.url, "in/a.png", "--out", "one"], { cwd })
        assert.strictEqual(one.code, 0, one.stderr)
        assert.isTrue(existsSync(join(cwd, "one/a.overlay.png")))
        const args = ["batch", "in", "--url", server.url, "--out", "many", "--csv", "regions", "--json"]
        const many = yield* run(args, { cwd })
        assert.strictEqual(many.code, 0, many.stderr + many.stdout)
        assert.deepInclude(JSON.parse(many.stdout), { done: 2, failed: 0 })
        assert.deepStrictEqual(
          names(join(cwd, "many")).filter((name) => /^[ab]\.png|regions/.test(name)),
          [
            "a.png.combined.png",
            "a.png.mask.png",
            "a.png.overlay.png",
            "a.png.regions.json",
            "b.png.combined.png",
            "b.png.mask.png",
            "b.png.overlay.png",
            "b.png.regions.json",
            "regions.csv"
          ]
        )
        // What is asked for besides: its own overlay, and its regions as boxes.
        const more = yield* run(
          ["batch", "in", "--url", server.url, "--out", "more", "--overlays", "--coco", "--json"],
          { cwd }
        )
        assert.deepStrictEqual([more.code, more.stderr], [0, ""])
        assert.deepInclude(JSON.parse(more.stdout), { done: 2, failed: 0 })
        assert.isTrue(existsSync(join(cwd, "more/b.png.overlay.png")))
        const coco = JSON.parse(readFileSync(join(cwd, "more/coco.json"), "utf8"))
        assert.strictEqual(coco.images.length, 2)
        assert.isAbove(coco.annotations.length, 1)
        for (const { bbox, segmentation } of coco.annotations)
          assert.deepStrictEqual([bbox.length, segmentation], [4, []])
        const { height, regions, width } = JSON.parse(
          readFileSync(join(cwd, "many/a.png.regions.json"), "utf8")
        )
        assert.deepStrictEqual([width, height], [48, 32])
        assert.isAbove(regions.length, 0)
        assert.isString(regions[0].className)
      }).pipe(Effect.scoped)
  )

  it.live("says once of how many images it has drawn nothing", () =>
    Effect.gen(function* () {
      const server = yield* http(({ method }, response) => {
        const {
          combined_image: _,
          mask_image: __,
          overlay_image: ___,
          ...rest
        } = InspectionServer.uploadAnswer()
        sendJson(response, method === "POST" ? rest : { status: "ok", model_loaded: true })
      })
      const cwd = yield* folder({ "in/a.png": Fixtures.image, "in/b.png": Model.greyPng() })
      const env = { SEGFORMER_PROTOCOL: "inspection" }
      const args = ["batch", "in", "--url", server.url, "--out", "many", "--overlays", "--coco"]
      const { code, stderr, stdout } = yield* run(args, { cwd, env })
      assert.strictEqual(code, 0, stderr + stdout)
      assert.match(stdout, /2 images done/)
      assert.strictEqual(stderr.split("2 done without an overlay").length, 2, stderr)
      assert.include(names(join(cwd, "many")), "b.png.regions.json")
    }).pipe(Effect.scoped)
  )

  it.live("has a label map by the colours of a file, whatever they are kept in", () =>
    Effect.gen(function* () {
      const server = yield* InspectionModel.make
      const [background, particle, scratch] = Palette.surface
      const named = [background, particle, scratch].flatMap((info) => info ?? [])
      const files = {
        "colors.json": JSON.stringify(
          named.map(({ color, id, name }) => ({ id, name, color: Palette.toHex(color) }))
        ),
        "labelmap.txt": named.map(({ color, name }) => `${name}:${color.join(",")}::`).join("\n"),
        "class_dict.csv": `name,r,g,b\n${named.map(({ color, name }) => `${name},${color.join(",")}`).join("\n")}\n`
      }
      const cwd = yield* folder({ "panel.png": Fixtures.image, ...files })
      for (const file of Object.keys(files)) {
        const args = [
          "segment",
          "--url",
          server.url,
          "--palette",
          file,
          "panel.png",
          "--out",
          file.slice(0, 5)
        ]
        const { code, stderr } = yield* run(args, { cwd })
        assert.strictEqual(code, 0, stderr)
        assert.isTrue(existsSync(join(cwd, file.slice(0, 5), "panel.labels.png")), file)
      }
    }).pipe(Effect.scoped)
  )
})

describe("the command and proxies", () => {
  it.live(
    "goes by the proxy of the environment for a service and for images on the web, or by its own, or by none",
    () =>
      Effect.gen(function* () {
        const server = yield* http((request, response) => {
          if (request.method === "GET" && request.path === "/a.png")
            return Model.sendPng(response, Fixtures.image)
          gateway(404)(request, response)
        })
        const proxy = yield* ProxyServer.make({})
        const cwd = yield* folder({ "panel.png": Fixtures.image, "svc.json": '{"protocol": "custom"}' })
        const args = ["segment", "--service", "svc.json", "--url", server.url, `${server.url}/a.png`]
        const env = { HTTP_PROXY: proxy.url }
        const one = yield* run(args, { cwd, env })
        assert.deepStrictEqual([one.code, one.stderr], [0, ""])
        assert.includeMembers(proxy.forwarded, [`${server.url}/a.png`, `${server.url}/predict`])
        proxy.forwarded.length = 0
        const none = yield* run([...args, "--proxy", "off"], { cwd, env })
        assert.deepStrictEqual([none.code, proxy.forwarded], [0, []])
        const own = yield* run([...args, "--proxy", proxy.url], { cwd })
        assert.strictEqual(own.code, 0)
        assert.isAbove(proxy.forwarded.length, 0)
      }).pipe(Effect.scoped)
  )

  it.live("trusts a private authority that it is given", () =>
    Effect.gen(function* () {
      const server = yield* TlsServer.makeWith((request, response) => {
        request.resume()
        request.on("end", () =>
          request.method === "POST" ? sendJson(response, answer) : sendJson(response, {}, 404)
        )
      })
      const cwd = yield* folder({ "panel.png": Fixtures.image, "ca.pem": TlsServer.cert, "none.pem": "no" })
      const env = { SEGFORMER_PROTOCOL: "custom", SEGFORMER_MAX_RETRIES: "0" }
      const args = ["segment", "--url", server.url, "panel.png"]
      assert.strictEqual((yield* run(args, { cwd, env })).code, 3)
      const { code, stderr } = yield* run([...args, "--ca", "ca.pem"], { cwd, env })
      assert.deepStrictEqual([code, stderr], [0, ""])
      const wrong = yield* run([...args, "--ca", "none.pem"], { cwd, env })
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, "there is no certificate in --ca none.pem")
    }).pipe(Effect.scoped)
  )
})

describe("settings of a service", () => {
  const settings = (text: string, env: Record<string, string> = {}) =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "panel.png": Fixtures.image })
      writeFileSync(join(cwd, "svc.json"), text)
      return yield* run(["segment", "--service", "svc.json", "panel.png"], { cwd, env })
    }).pipe(Effect.scoped)

  for (const [name, text, words] of [
    ["a key", '{"url": "http://h", "apiKey": "hunter2"}', /apiKey in svc\.json .*no key belongs in a file/],
    [
      "a word that is none",
      '{"url": "http://h", "chanels": "last"}',
      /^segformer: the configuration is not usable: chanels in svc\.json is no setting\. There are url,/
    ],
    ["a wrong value", '{"url": "http://h", "channels": "middle"}', /channels in svc\.json is not right/],
    ["a password in the address", '{"url": "http://me:hunter2@h"}', /url in svc\.json is not right/],
    [
      "what the protocol has no use for",
      '{"url": "http://h", "protocol": "cog", "path": "/x"}',
      /"path" does nothing for the protocol cog/
    ],
    [
      "a protocol that is none",
      '{"url": "http://h", "protocol": "grpc"}',
      /^segformer: the configuration is not usable: protocol is "grpc", but must be one of [^()[\]]+\n$/
    ],
    [
      "a palette that is none",
      '{"url": "http://h", "palette": "none.json"}',
      /palette in svc\.json.*neither one of surface/
    ],
    ["no JSON", "url: http://h", /svc\.json is no JSON object/]
  ] as const) {
    it.live(`${name} ends with 2 and says what to do`, () =>
      Effect.gen(function* () {
        const { code, stderr } = yield* settings(text)
        assert.strictEqual(code, 2, stderr)
        assert.match(stderr, words)
        assert.notInclude(stderr, "hunter2")
      })
    )
  }

  for (const [name, given, words] of [
    ["a file that is not there", "none.json", "none.json cannot be read: there is no such file"],
    ["a folder", ".", ". cannot be read: a folder stands in its place"]
  ] as const) {
    it.live(`${name} ends with 2 and says so`, () =>
      Effect.gen(function* () {
        const cwd = yield* folder({ "panel.png": Fixtures.image })
        const { code, stderr } = yield* run(["segment", "--service", given, "panel.png"], { cwd })
        assert.deepStrictEqual([code, stderr], [2, `segformer: the configuration is not usable: ${words}\n`])
      }).pipe(Effect.scoped)
    )
  }

  it.live("in the environment that are wrong are all named on one line", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "panel.png": Fixtures.image })
      const env = { SEGFORMER_PROTOCOL: "grpc", SEGFORMER_API_KEY_HEADER: "no header" }
      const { code, stderr } = yield* run(["segment", "--url", "http://h", "panel.png"], { cwd, env })
      assert.strictEqual(code, 2)
      assert.match(
        stderr,
        /^segformer: the configuration is not usable: SEGFORMER_\w+ .*; SEGFORMER_\w+ [^\n]*\n$/
      )
      assert.notInclude(stderr, "SchemaError")
    }).pipe(Effect.scoped)
  )

  it.live("are the same in the environment", () =>
    Effect.gen(function* () {
      const server = yield* http(fastApi)
      const cwd = yield* folder({ "panel.png": Fixtures.image })
      const env = {
        SEGFORMER_PROTOCOL: "custom",
        SEGFORMER_PATH: "/api/segment",
        SEGFORMER_PART: "upload",
        SEGFORMER_FIELDS: '{"model": "b0"}',
        SEGFORMER_CLASSES: "background, particle, scratch"
      }
      const found = yield* run(["segment", "--url", server.url, "panel.png"], { cwd, env })
      assert.deepStrictEqual([found.code, found.stderr], [0, ""])
      assert.match(found.stdout, /scratch/)
      const stray = yield* run(["segment", "--url", server.url, "panel.png"], {
        cwd,
        env: { SEGFORMER_PATH: "/api/segment" }
      })
      assert.strictEqual(stray.code, 2)
      assert.match(stray.stderr, /SEGFORMER_PATH does nothing while no protocol is named/)
    }).pipe(Effect.scoped)
  )
})
