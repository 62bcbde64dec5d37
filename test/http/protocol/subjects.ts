/** The protocols that are held to the suite. A new one is an entry here. */
import { Effect } from "effect"
import {
  BentoML,
  Custom,
  Gradio,
  HuggingFace,
  Inspection,
  OpenInference,
  Roboflow,
  SegFormer,
  TfServing,
  TorchServe
} from "effect-segformer/http"
import { Palette } from "effect-segformer/mask"
import { Redacted } from "effect"
import * as BentoServer from "../servers/BentoServer.ts"
import * as CustomServer from "../servers/CustomServer.ts"
import * as GradioServer from "../servers/GradioServer.ts"
import * as HuggingFaceServer from "../servers/HuggingFaceServer.ts"
import * as InspectionModel from "../servers/InspectionModel.ts"
import * as Model from "../servers/Model.ts"
import * as OpenInferenceServer from "../servers/OpenInferenceServer.ts"
import * as OwnServer from "../servers/OwnServer.ts"
import * as RoboflowServer from "../servers/RoboflowServer.ts"
import * as TfServingServer from "../servers/TfServingServer.ts"
import * as TorchServeServer from "../servers/TorchServeServer.ts"
import { json, type Contents, type Subject, text } from "./conformanceFaults.ts"

const { classes } = Model

const huge = (png: Buffer): Buffer => {
  const promising = Buffer.from(png)
  promising.writeUInt32BE(9000, 16)
  promising.writeUInt32BE(9000, 20)
  return promising
}

/** Masks in one field as base64 PNG. */
const pngIn = (answer: (mask: unknown) => unknown, png = Model.greyPng): Contents => ({
  wrongShape: json({ something: "else" }),
  notBase64: json(answer("%%% no base64 %%%")),
  notPng: json(answer(Model.base64(Buffer.from("GIF89a, or so it says")))),
  cutPng: json(answer(Model.base64(png().subarray(0, 60)))),
  hugePng: json(answer(Model.base64(huge(png())))),
  outOfRange: json(answer(Model.base64(png(Model.outOfRange)))),
  otherSize: json(answer(Model.base64(png(Model.halfSize))))
})

const huggingFaceContents: Contents = {
  ...pngIn((mask) => [{ label: "scratch", mask, score: 0.9 }]),
  wrongShape: json([{ label: "scratch", score: 0.9 }]),
  outOfRange: json(HuggingFaceServer.answer(Model.outOfRange)),
  otherSize: json(HuggingFaceServer.answer(Model.halfSize)),
  nullScore: json(HuggingFaceServer.answer(Model.labels, null)),
  notANumber: text(JSON.stringify(HuggingFaceServer.answer()).replaceAll(/"label":"[^"]*"/g, '"label":NaN'))
}

const idsContents = (answer: (ids: unknown) => unknown): Contents => ({
  wrongShape: json(answer([[0, 1], [1]])),
  notANumber: text(JSON.stringify(answer([["X", 1]])).replace('"X"', "NaN")),
  outOfRange: json(answer(Model.nested(Model.outOfRange))),
  otherSize: json(answer(Model.nested(Model.halfSize)))
})

const inferContents = (options: OpenInferenceServer.Options): Contents => {
  const output = OpenInferenceServer.outputOf(options)
  const send =
    (over: Partial<OpenInferenceServer.Output>) => (response: Parameters<ReturnType<typeof json>>[0]) =>
      OpenInferenceServer.send(response, { ...output, ...over }, options)
  const isLabels = options.output === "labels"
  return {
    wrongShape: send({ shape: [7, 9, 1, 2, 3] }),
    ...(isLabels
      ? {
          outOfRange: send({ values: Model.outOfRange.data }),
          otherSize: send({
            values: Model.halfSize.data,
            shape: [1, Model.halfSize.height, Model.halfSize.width]
          })
        }
      : options.binary === true
        ? {
            notANumber: send({
              values: Model.logits.data.map((value, at) => (at === 50 ? Number.NaN : value))
            })
          }
        : {
            notANumber: text(
              JSON.stringify({ outputs: [{ ...output, values: undefined, data: [1, "X"] }] }).replace(
                '"X"',
                "NaN"
              )
            )
          })
  }
}

const openInference = (options: OpenInferenceServer.Options): Subject => ({
  name: `openinference (${options.binary === true ? "binary" : "JSON"}, ${options.datatype ?? "FP32"} ${options.output ?? "logits"})`,
  server: OpenInferenceServer.make(options),
  protocol: OpenInference.make({ model: "segformer", classes }),
  errorBody: (error) => ({ error }),
  contents: inferContents(options)
})

const frame = (body: Uint8Array) => (response: Parameters<ReturnType<typeof json>>[0]) =>
  OwnServer.send(response, body)

/** Events of an app, whose pictures are data URLs as in its older versions. */
const completes = (output: unknown) => text(GradioServer.event("complete", [output]), "text/event-stream")
const pngUrl = (png: Uint8Array) => `data:image/png;base64,${Model.base64(png)}`

/** What counts is the request whose answer is the prediction: the upload and the call come before it. */
const gradioServer = Effect.map(GradioServer.make(), (app): Model.ModelServer => ({
  ...app,
  get requests() {
    return app.requests
      .filter(({ path }) => /\/call\/segment\/e\d+/.test(path))
      .map((request) => ({ ...request, method: "POST" }))
  }
}))

export const subjects: ReadonlyArray<Subject> = [
  {
    name: "inspection",
    server: InspectionModel.make,
    protocol: Effect.succeed(Inspection.make({ palette: Palette.surface.slice(0, 3) })),
    errorBody: (error) => ({ success: false, error }),
    contents: { ...pngIn(InspectionModel.answer, InspectionModel.colorPng) }
  },
  {
    name: "huggingface",
    server: HuggingFaceServer.make,
    protocol: Effect.succeed(HuggingFace.make({ classes, model: "lab/panels" })),
    errorBody: (error) => ({ error }),
    contents: huggingFaceContents
  },
  {
    name: "huggingface (JSON)",
    server: HuggingFaceServer.make,
    protocol: Effect.succeed(
      HuggingFace.make({ classes, body: "json", parameters: { subtask: "semantic" } })
    ),
    errorBody: (error) => ({ error }),
    contents: huggingFaceContents
  },
  {
    name: "gradio",
    server: gradioServer,
    protocol: Effect.succeed(Gradio.make({ classes, endpoint: "segment" })),
    errorBody: (detail) => ({ detail }),
    contents: {
      wrongShape: completes({ something: "else" }),
      notBase64: completes("data:image/png;base64,%%% no base64 %%%"),
      notPng: completes(pngUrl(Buffer.from("GIF89a, or so it says"))),
      cutPng: completes(pngUrl(Model.greyPng().subarray(0, 60))),
      hugePng: completes(pngUrl(huge(Model.greyPng()))),
      notANumber: text("event: complete\ndata: [[[NaN, 1]]]\n\n", "text/event-stream"),
      outOfRange: completes(pngUrl(Model.greyPng(Model.outOfRange))),
      otherSize: completes(pngUrl(Model.greyPng(Model.halfSize)))
    }
  },
  openInference({}),
  openInference({ binary: true }),
  openInference({ binary: true, datatype: "FP16" }),
  openInference({ binary: true, output: "labels" }),
  openInference({ output: "labels", datatype: "UINT8" }),
  {
    name: "roboflow",
    server: RoboflowServer.make,
    protocol: Effect.succeed(
      Roboflow.make({ modelId: "panels/3", apiKey: Redacted.make(RoboflowServer.key) })
    ),
    errorBody: (message) => ({ message }),
    contents: pngIn((segmentation_mask) => RoboflowServer.answer({ segmentation_mask }))
  },
  {
    name: "tfserving",
    server: TfServingServer.make,
    protocol: Effect.succeed(
      TfServing.make({ model: "segformer", classes, mask: { as: "logits", channels: "last" } })
    ),
    errorBody: (error) => ({ error }),
    contents: {
      wrongShape: json({ predictions: [[1, 2, 3]] }),
      notANumber: text(JSON.stringify(TfServingServer.answer()).replace(/-?\d+\.\d+/, "NaN"))
    }
  },
  {
    name: "torchserve",
    server: TorchServeServer.make,
    protocol: Effect.succeed(TorchServe.make({ model: "segformer", classes })),
    errorBody: (message) => ({ code: 500, type: "InternalServerException", message }),
    contents: idsContents((ids) => ids)
  },
  {
    name: "bentoml",
    server: BentoServer.make,
    protocol: Effect.succeed(BentoML.make({ classes })),
    errorBody: (message) => message,
    contents: {
      wrongShape: json({ answer: 42 }),
      cutPng: text(Model.greyPng().subarray(0, 60), "image/png"),
      hugePng: text(huge(Model.greyPng()), "image/png"),
      outOfRange: text(Model.greyPng(Model.outOfRange), "image/png"),
      otherSize: text(Model.greyPng(Model.halfSize), "image/png")
    }
  },
  {
    name: "custom",
    server: CustomServer.make,
    protocol: Effect.succeed(
      Custom.make({
        path: "/segment",
        body: { as: "form", fields: { model: "b0" } },
        mask: { at: "mask_b64" },
        classes
      })
    ),
    errorBody: (error) => ({ success: false, error }),
    contents: pngIn((mask_b64) => CustomServer.answer({ mask_b64 }))
  },
  {
    name: "segformer",
    server: OwnServer.make,
    protocol: Effect.succeed(SegFormer.protocol),
    errorBody: (message) => ({ error: { tag: "Any", message } }),
    contents: {
      wrongShape: frame(OwnServer.frame({ classes: "many" })),
      notANumber: frame(OwnServer.frame({ seconds: null })),
      hugePng: frame(OwnServer.frame({ width: 9000, height: 9000 })),
      cutPng: frame(OwnServer.frame().subarray(0, -1)),
      notPng: frame(OwnServer.frame({}, Model.labels, OwnServer.runs(Model.halfSize.data))),
      otherSize: frame(OwnServer.frame({}, Model.halfSize))
    }
  }
]
