/** What others give us to read: addresses, masks, lists, answers that repeat our key, disks that are full. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { inspect } from "node:util"
import { NodeFileSystem, NodeHttpClient } from "@effect/platform-node"
import { Cause, Effect, Exit, Redacted, Result, Stream } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { Probe, SegFormerHttp } from "effect-segformer/http"
import { Coco, MaskNotDecodable, Rle } from "effect-segformer/mask"
import { AddressGuard } from "effect-segformer/service"
import { Fixtures } from "effect-segformer/testing"
import * as Manifest from "../../src/batch/Manifest.ts"
import * as Lock from "../../src/files/Lock.ts"
import * as TemporaryFolder from "../../src/files/TemporaryFolder.ts"
import * as Command from "../support/Command.ts"
import * as Folder from "../support/Folder.ts"
import { type Handler, http } from "../support/TestServer.ts"
import { assert, type Attack } from "./Attack.ts"

const urls = [
  "http://127.0.0.1/",
  "http://127.255.255.255/",
  "http://0.0.0.0/",
  "http://10.1.2.3/",
  "http://100.64.0.1/",
  "http://169.254.169.254/latest/meta-data",
  "http://172.16.0.1/",
  "http://172.31.255.255/",
  "http://192.168.1.1/",
  "http://198.19.0.1/",
  "http://224.0.0.1/",
  "http://255.255.255.255/",
  "http://[::]/",
  "http://[::1]/",
  "http://[fe80::1]/",
  "http://[fc00::1]/",
  "http://[ff02::1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[64:ff9b::a00:1]/",
  "http://[2002:7f00:1::]/",
  "http://[2001:db8::1]/",
  "http://2130706433/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://127.1/",
  "http://LOCALHOST./",
  "http://a.localhost/",
  "file:///etc/passwd",
  "ftp://127.0.0.1/",
  "gopher://127.0.0.1/"
]

const addresses = urls.map((url): Attack => ({
  kind: "addresses under the guard",
  attack: url,
  must: "refused",
  run: Effect.sync(() => {
    const refusal = AddressGuard.refusal(new URL(url))
    assert.ok(refusal !== undefined)
    return "refused"
  })
}))

const tagOf = (make: () => unknown): string => {
  try {
    const made = make()
    const failure: unknown = Result.isResult(made) && Result.isFailure(made) ? made.failure : undefined
    return failure instanceof MaskNotDecodable ? failure._tag : "none"
  } catch (cause) {
    return cause instanceof MaskNotDecodable ? cause._tag : String(cause)
  }
}

const annotation = (category_id: number): Coco.Annotation => ({
  id: 1,
  image_id: 1,
  category_id,
  segmentation: [[0, 0, 2, 0, 2, 2, 0, 2]],
  area: 4,
  bbox: [0, 0, 2, 2],
  iscrowd: 0
})

const masks = (
  [
    ["run lengths of a width of -1", () => Rle.fromCoco({ size: [4, -1], counts: [4] })],
    ["run lengths of 10^9 x 10^9 pixels", () => Rle.fromCoco({ size: [1e9, 1e9], counts: [1e18] })],
    ["a run of 2^32 pixels", () => Rle.fromCoco({ size: [65_536, 65_536], counts: [2 ** 32] })],
    ["COCO's image of a width of -1", () => Coco.toLabelMap([annotation(1)], { width: -1, height: 4 })],
    [
      "COCO's image of 10^9 x 10^9 pixels",
      () => Coco.toLabelMap([annotation(1)], { width: 1e9, height: 1e9 })
    ],
    ["COCO's category 2^32", () => Coco.toLabelMap([annotation(2 ** 32)], { width: 4, height: 4 })],
    ["COCO's category -1", () => Coco.toLabelMap([annotation(-1)], { width: 4, height: 4 })]
  ] as const
).map(([attack, make]): Attack => ({
  kind: "masks",
  attack,
  must: "MaskNotDecodable, before memory is taken",
  run: Effect.sync(() => {
    assert.equal(tagOf(make), "MaskNotDecodable")
    return "MaskNotDecodable"
  })
}))

const lists = (
  [
    [
      "a stray quote that swallows all later rows",
      "list.csv",
      `image\na.png\n"${"b.png\n".repeat(1000)}`,
      /line 3/
    ],
    [
      "a stray quote in a column of notes",
      "list.csv",
      `image,note\na.png,"x\n${"b.png,\n".repeat(1000)}`,
      /line 2/
    ],
    ["a row of 40 MB", "list.csv", `image\n${"x".repeat(40_000_000)}`, /line 2/],
    ["a line of 40 MB", "list.txt", `a.png\n${"x".repeat(40_000_000)}`, /line 2/],
    ["a line of JSON of 40 MB", "list.jsonl", `"${"x".repeat(40_000_000)}"`, /line 1/]
  ] as const
).map(([attack, name, text, says]): Attack => ({
  kind: "manifests",
  attack,
  must: "a failure that names the line",
  run: Effect.gen(function* () {
    const folder = yield* Folder.folder({ [name]: text })
    const error = yield* Effect.flip(Stream.runDrain(Manifest.items(join(folder, name))))
    assert.match(error.message, says)
    return error._tag
  }).pipe(Effect.provide(NodeFileSystem.layer))
}))

const key = "sk-hunter2-0123456789"
const spelled = [...key].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")

const repeats: ReadonlyArray<readonly [attack: string, handler: Handler]> = [
  ["the body of an error", (_, response) => void response.writeHead(401).end(`bad key ${key}`)],
  [
    "JSON, in escapes",
    (_, response) =>
      void response.writeHead(401, { "content-type": "application/json" }).end(`{"error":"${spelled}"}`)
  ],
  ["the request's id", (_, response) => void response.writeHead(401, { "x-request-id": key }).end("no")],
  [
    "Location",
    (_, response) => void response.writeHead(302, { location: `http://other.example/?key=${key}` }).end()
  ],
  [
    "the content type",
    (_, response) => void response.writeHead(200, { "content-type": `text/${key}` }).end("x")
  ],
  [
    "the content encoding",
    (_, response) => void response.writeHead(200, { "content-encoding": key }).end("x")
  ],
  ["base64", (_, response) => void response.writeHead(401).end(Buffer.from(`key=${key}`).toString("base64"))],
  ["the status line", (_, response) => void response.writeHead(401, `Bad ${key}`).end()]
]

const keys = repeats.map(([attack, handler]): Attack => ({
  kind: "keys in errors",
  attack: `a service repeats the key in ${attack}`,
  must: "it is in no error",
  run: Effect.gen(function* () {
    const service = yield* http(handler)
    const layer = SegFormerHttp.layer({
      baseUrl: service.url,
      apiKey: Redacted.make(key),
      policy: { retry: false }
    })
    const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
    const exit = yield* Effect.exit(Effect.provide(segment(image), layer))
    assert.ok(Exit.isFailure(exit))
    const text = `${inspect(exit, { depth: 12 })} ${JSON.stringify(exit)} ${Cause.pretty(exit.cause)}`
    assert.ok(!text.includes(key) && !text.includes(spelled), text.slice(0, 300))
    return "absent"
  }).pipe(Effect.provide(NodeHttpClient.layerUndici))
}))

const silent: ReadonlyArray<Attack> = [
  {
    kind: "silent services",
    attack: "`probe` of a socket that says nothing",
    must: "three questions at most, all within what two may take",
    run: Effect.gen(function* () {
      const service = yield* http(() => {})
      const error = yield* Effect.flip(Probe.probe(service.url, { timeout: "50 millis" }))
      assert.equal(error._tag, "ConnectionFailed")
      assert.ok(service.requests.length <= 3)
      return `${service.requests.length} questions`
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))
  },
  {
    kind: "silent services",
    attack: "`probe` of a proxy whose service is away",
    must: "it says 502",
    run: Effect.gen(function* () {
      const service = yield* http((_, response) => void response.writeHead(502).end("<h1>Bad Gateway</h1>"))
      const found = yield* Probe.probe(service.url)
      assert.match(found.health.detail ?? "", /every question with 502/)
      return "502"
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))
  }
]

const machine: ReadonlyArray<Attack> = [
  {
    kind: "left behind",
    attack: "the temporary folder of a process that was killed",
    must: "gone at the next start; those of others stay",
    run: Effect.gen(function* () {
      const within = yield* Folder.folder()
      const [host, , started] = (Lock.markOf(process.pid) ?? "").split("-")
      const gone = `segformer-tmp-${host}-4194305-${started}-abcdef`
      for (const name of [gone, "segformer-tmp-mine", "somebody"]) {
        mkdirSync(join(within, name))
        writeFileSync(join(within, name, "pixels.tif"), "x")
      }
      yield* TemporaryFolder.sweep(within)
      assert.deepEqual(Folder.names(within), ["segformer-tmp-mine", "somebody"])
      return "gone"
    }).pipe(Effect.provide(NodeFileSystem.layer))
  },
  {
    kind: "left behind",
    attack: "SIGHUP to `serve`",
    must: "it drains and ends with 0, as by SIGTERM",
    run: Effect.gen(function* () {
      const run = yield* Command.start(["serve", "--port", "0", "--no-page"])
      while (!run.stderr().includes("Serving") && !run.stdout().includes("Serving"))
        yield* Effect.sleep("20 millis")
      run.process.kill("SIGHUP")
      const ended = yield* Effect.promise(() => run.ended)
      assert.equal(ended.code, 0, ended.stderr)
      return "0"
    })
  },
  {
    kind: "words",
    attack: "a full disk (/dev/full), a file for a folder, no descriptors left",
    must: "what happened, and no mistake of its own",
    run: Effect.gen(function* () {
      const folder = yield* Folder.folder({ file: "x" })
      const picture = join(folder, "a.png")
      writeFileSync(picture, Fixtures.image)
      const ended = yield* Command.run(["segment", picture, "--out", join(folder, "file", "out")])
      assert.match(ended.stderr, /a file stands where a folder should be/)
      assert.doesNotMatch(ended.stderr, /mistake of its own|Unknown/)
      return "words"
    })
  }
]

export const strangers: ReadonlyArray<Attack> = [
  ...addresses,
  ...masks,
  ...lists,
  ...keys,
  ...silent,
  ...machine
]
