import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References, type Scope } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { Gradio, SegFormerHttp } from "effect-segformer/http"
import { LabelMap } from "effect-segformer/mask"
import sharp from "sharp"
import { events } from "../../../src/http/protocol/GradioResult.ts"
import * as TestServer from "../../support/TestServer.ts"
import * as Server from "../servers/GradioServer.ts"
import * as Model from "../servers/Model.ts"

const { classes } = Model
const { picture, slider } = Server
const source = ImageSource.bytes(Model.image, { name: "panel 1.png" })

const layer = (baseUrl: string, options: Gradio.GradioOptions = {}) =>
  SegFormerHttp.layer({
    baseUrl,
    protocol: Gradio.make({ classes, ...options }),
    policy: { retry: false }
  }).pipe(Layer.provide(NodeHttpClient.layerUndici))

const found = segment(source)
const labelMap = Effect.flatMap(found, (segmentation) => segmentation.labelMap)

const ask = (server: TestServer.TestServer, options?: Gradio.GradioOptions) =>
  labelMap.pipe(
    Effect.provide(layer(server.url, options)),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

const live = (name: string, body: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(body()))

const same = (map: LabelMap.LabelMap) => assert.isTrue(LabelMap.equals(map, Model.labels))

const annotations =
  (
    make: (id: number) => Uint8Array = (id) => Server.section((each) => (each === id ? 255 : 0))
  ): Required<Server.Options>["outputs"] =>
  (app) => [
    {
      image: Server.fileData(app, "/tmp/base.webp", Model.image),
      annotations: classes.map(({ id, name }) => ({
        image: Server.fileData(app, `/tmp/${id}.png`, make(id)),
        label: name
      }))
    }
  ]

describe("gradio", () => {
  live("of version 4 has its routes without a prefix", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ prefix: "" })
      same(yield* ask(server))
      const asked = server.requests.map(({ method, path }) => `${method} ${path.replace(/=.*|e\d$/, "")}`)
      assert.deepStrictEqual(asked, [
        "GET /gradio_api/info",
        "GET /info",
        "POST /upload",
        "POST /call/segment",
        "GET /call/segment/",
        "GET /file"
      ])
    })
  )

  live("its description is asked for once, and again after a failure", () =>
    Effect.gen(function* () {
      const server = yield* Server.make()
      const described = () => server.requests.filter(({ path }) => path === "/gradio_api/info").length
      yield* Effect.gen(function* () {
        for (const map of yield* Effect.all([labelMap, labelMap, labelMap], { concurrency: 3 })) same(map)
        assert.strictEqual(described(), 1)
        server.state.fault = (_, response) => Server.sendEvents(response, Server.event("error", "gone"))
        yield* Effect.flip(labelMap)
        server.state.fault = undefined
        same(yield* labelMap)
        assert.strictEqual(described(), 2)
      }).pipe(Effect.provide(layer(server.url)))
    })
  )

  live("gets the image where it stands, and the others as they are given or by default", () =>
    Effect.gen(function* () {
      const mode = { ...slider, parameter_name: "mode", label: "Mode", parameter_default: null }
      const server = yield* Server.make({ endpoints: { "/a": [slider, picture, mode], "/b": [slider] } })
      same(yield* ask(server))
      same(yield* ask(server, { inputs: { threshold: 0.25, Mode: "fine" } }))
      assert.deepStrictEqual(
        server.calls.map(([threshold, file, given]) => [threshold, typeof file, given]),
        [
          [0.5, "object", null],
          [0.25, "object", "fine"]
        ]
      )
      assert.match(
        JSON.stringify(server.calls[0]?.[1]),
        /"orig_name":"panel 1\.png","mime_type":"image\/png"/
      )
    })
  )

  const unclear: ReadonlyArray<
    readonly [string, Required<Server.Options>["endpoints"], Gradio.GradioOptions, RegExp]
  > = [
    [
      "several endpoints",
      { "/a": [picture], "/b": [picture] },
      {},
      /a, b take an image. Say with `endpoint`/
    ],
    ["no endpoint", {}, {}, /none of its endpoints \(none\) takes an image/],
    ["an endpoint without an image", { "/a": [slider] }, {}, /none of its endpoints \(a\) takes an image/],
    ["another endpoint", { "/a": [picture] }, { endpoint: "/c" }, /the app has a, and no "c"/],
    ["another input", { "/a": [picture] }, { endpoint: "a", input: "file" }, /it takes image, and no "file"/],
    [
      "two images",
      { "/a": [picture, { ...picture, parameter_name: "mask" }] },
      {},
      /image, mask take images. Say with `input`/
    ],
    ["an unknown further input", { "/a": [picture] }, { inputs: { threshold: 1 } }, /and no "threshold"/],
    [
      "a further input that is the image's",
      { "/a": [picture] },
      { inputs: { image: "a.png" } },
      /"image" takes the image: leave it out of `inputs`/
    ],
    [
      "an input without a default",
      { "/a": [picture, { ...slider, parameter_has_default: false }] },
      {},
      /"threshold" has no default. Give it in `inputs`/
    ]
  ]
  for (const [name, endpoints, options, message] of unclear) {
    live(`${name}: nothing is sent, and the failure says what there is`, () =>
      Effect.gen(function* () {
        const server = yield* Server.make({ endpoints })
        const error = yield* Effect.flip(ask(server, options))
        assert.strictEqual(error._tag, "ResponseNotDecodable")
        assert.match(error.message, message)
        assert.isTrue(server.requests.every(({ method }) => method === "GET"))
      })
    )
  }

  live("an image is found by its name or label among several, and in an input of another kind", () =>
    Effect.gen(function* () {
      const file = { ...picture, parameter_name: "upload", label: "Scan", component: "File" }
      const reference = { ...picture, parameter_name: "reference", parameter_has_default: true }
      const two = yield* Server.make({ endpoints: { "/a": [reference, picture] } })
      same(yield* ask(two, { input: "image" }))
      assert.isNull(two.calls[0]?.[0])
      const other = yield* Server.make({ endpoints: { "/a": [file], "/b": [slider] } })
      same(yield* ask(other, { input: "Scan" }))
    })
  )

  const outputs: ReadonlyArray<readonly [string, Required<Server.Options>["outputs"], Gradio.GradioOptions]> =
    [
      ["sections in colours", annotations(), {}],
      [
        "sections in black",
        annotations((id) => Server.section((each) => (each === id ? 255 : 0), [0, 0, 0])),
        {}
      ],
      [
        "sections whose alpha is a share",
        annotations((id) => Server.section((each) => (each === id ? 180 : 40))),
        {}
      ],
      ["sections beside a text", (app) => ["3 regions", ...annotations()(app)], {}],
      ["rows of ids", () => [{ mask: Model.nested(), threshold: 0.5 }], { mask: { at: "0.mask" } }],
      ["rows of ids without a word about it", () => [Model.nested()], {}],
      ["a data URL", () => [`data:image/png;base64,${Model.base64(Model.greyPng())}`], {}],
      [
        "the second of two pictures",
        (app) => [
          Server.fileData(app, "/tmp/overlay.png", Model.image),
          Server.fileData(app, "/tmp/a b#c?d%.png", Model.greyPng())
        ],
        { mask: { at: "1" } }
      ]
    ]
  for (const [name, output, options] of outputs) {
    live(`reads ${name}`, () =>
      Effect.gen(function* () {
        const server = yield* Server.make({ outputs: output })
        same(yield* ask(server, options))
      })
    )
  }

  live("sections give the classes where none are known, and none at all is a map of nothing", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ outputs: annotations() })
      const segmentation = yield* Effect.provide(found, layer(server.url, { classes: undefined }))
      assert.deepStrictEqual(
        segmentation.classes.map(({ name }) => name),
        classes.map(({ name }) => name)
      )
      const empty = yield* Server.make({
        outputs: (app) => [{ image: Server.fileData(app, "/tmp/base.png", Model.image), annotations: [] }]
      })
      const map = yield* ask(empty)
      assert.isTrue(map.data.every((id) => id === map.ignoreIndex))
    })
  )

  live("a picture alone is what the service painted, where the options say so", () =>
    Effect.gen(function* () {
      const server = yield* Server.make()
      const segmentation = yield* Effect.provide(found, layer(server.url, { pictures: { overlay: "0" } }))
      assert.deepStrictEqual(Buffer.from(segmentation.pictures.overlay ?? []), Model.greyPng())
    })
  )

  const wrong: ReadonlyArray<
    readonly [string, Required<Server.Options>["outputs"], Gradio.GradioOptions, RegExp]
  > = [
    [
      "two outputs",
      (app) => [Server.fileData(app, "/tmp/1.png", Model.image), "text"],
      {},
      /it has 2 outputs. Say with `mask.at`/
    ],
    ["no output", () => [], {}, /it has 0 outputs/],
    [
      "a box",
      annotations((id) =>
        id === 1
          ? Server.section((each) => [0, 255, 127][each]!)
          : Server.section((each) => (each === id ? 255 : 0))
      ),
      {},
      /"particle" is the box around something, and no mask/
    ],
    ["a section without alpha", annotations(() => Model.greyPng()), {}, /it has no alpha/],
    [
      "a section that is none of the classes",
      annotations(),
      { classes: classes.slice(0, 2) },
      /"scratch" is none/
    ],
    ["a null", () => [null], {}, /there is no mask/]
  ]
  for (const [name, output, options, message] of wrong) {
    live(`${name} is ResponseNotDecodable, and says which`, () =>
      Effect.gen(function* () {
        const server = yield* Server.make({ outputs: output })
        const error = yield* Effect.flip(ask(server, options))
        assert.strictEqual(error._tag, "ResponseNotDecodable")
        assert.match(error.message, message)
      })
    )
  }

  live("a WebP, which is what pictures are by default, is no label map, and the failure says so", () =>
    Effect.gen(function* () {
      const webp = yield* Effect.promise(() => sharp(Model.image).webp().toBuffer())
      const server = yield* Server.make({ outputs: (app) => [Server.fileData(app, "/tmp/image.webp", webp)] })
      const error = yield* Effect.flip(ask(server))
      assert.match(error.message, /it should be a PNG, and is .*webp/i)
    })
  )

  live("a file of another host is not asked for, unless it may be", () =>
    Effect.gen(function* () {
      const other = yield* TestServer.http((_, response) => Model.sendPng(response, Model.greyPng()))
      const url = `${other.url}/label.png`.replace("127.0.0.1", "localhost")
      for (const file of [{ path: url }, { url, path: null }]) {
        const server = yield* Server.make({
          outputs: () => [{ ...file, meta: { _type: "gradio.FileData" } }]
        })
        const refused = yield* Effect.flip(ask(server))
        assert.match(refused.message, /localhost/)
        assert.strictEqual(other.requests.length, 0)
        same(yield* ask(server, { hosts: [`localhost:${other.port}`] }))
        other.requests.length = 0
      }
    })
  )

  const failures: ReadonlyArray<readonly [string, unknown, RegExp]> = [
    ["an error with words", { error: "CUDA out of memory", visible: true }, /CUDA out of memory/],
    ["an error as a text", "404: Not Found", /404: Not Found/],
    ["an error that says nothing", null, /it shows no errors \(`show_error`\)/],
    ["an error that is null", { error: null }, /it shows no errors/]
  ]
  for (const [name, data, message] of failures) {
    live(`${name} is ReportedFailure, in its words`, () =>
      Effect.gen(function* () {
        const server = yield* Server.make()
        server.state.fault = (_, response) =>
          Server.sendEvents(response, Server.event("generating", [null]) + Server.event("error", data))
        const error = yield* Effect.flip(ask(server))
        assert.strictEqual(error._tag, "ReportedFailure")
        assert.match(error.message, message)
      })
    )
  }

  it("reads events whatever their lines end with, and none that is cut off", () => {
    const complete = { name: "complete", data: "[1,\n2]" }
    for (const end of ["\n", "\r\n", "\r"]) {
      const text = `: hello${end}${end}event: complete${end}data: [1,${end}data:2]${end}id: 3${end}${end}`
      assert.deepStrictEqual(events(text), [complete], JSON.stringify(end))
      assert.deepStrictEqual(events(text.slice(0, -end.length)), [], JSON.stringify(end))
    }
    assert.deepStrictEqual(events("data: x\n\n"), [{ name: "message", data: "x" }])
    assert.deepStrictEqual(events("event: heartbeat\n\n"), [])
  })
})
