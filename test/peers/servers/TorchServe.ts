/** TorchServe on Java, with a handler that uses no torch: the file as body or in a form, ids in JSON or a PNG. */
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { Effect } from "effect"
import { TorchServe } from "effect-segformer/http"
import * as Python from "../../support/Python.ts"
import * as TestServer from "../../support/TestServer.ts"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Asking from "./Asking.ts"

const { classes } = Asking

const start = Effect.gen(function* () {
  const folder = yield* Process.folder
  const { executable } = Python.environment("servers")
  const packed = spawnSync(
    join(dirname(executable), "torch-model-archiver"),
    [
      "--model-name=segformer",
      "--version=2.0",
      `--export-path=${folder}`,
      `--handler=${Process.here}servers/torchserve_handler.py`
    ],
    { encoding: "utf8" }
  )
  if (packed.status !== 0) return yield* Effect.fail(new Error(packed.stderr))
  const management = yield* TestServer.freePort
  const metrics = yield* TestServer.freePort
  const config = join(folder, "config.properties")
  return yield* Process.python("servers", {
    program: "torchserve",
    args: (port) => {
      writeFileSync(
        config,
        [
          `inference_address=http://127.0.0.1:${port}`,
          `management_address=http://127.0.0.1:${management}`,
          `metrics_address=http://127.0.0.1:${metrics}`,
          "enable_grpc=false",
          "default_workers_per_model=1",
          "disable_token_authorization=true",
          ""
        ].join("\n")
      )
      return [
        "--start",
        "--foreground",
        "--ncs",
        "--disable-token-auth",
        `--ts-config=${config}`,
        `--model-store=${folder}`,
        "--models=segformer=segformer.mar"
      ]
    },
    cwd: folder,
    env: () => ({
      PYTHONPATH: [`${Process.here}servers`, `${Process.here}servers/torchless`].join(delimiter),
      TMPDIR: folder,
      TEMP: folder
    }),
    ready: async (url) => {
      const answer = await fetch(`${url}/predictions/segformer`, {
        method: "POST",
        body: Buffer.from(Asking.pictures[0]!.bytes)
      })
      return answer.ok
    }
  })
})

const at = (
  baseUrl: string,
  options: Partial<TorchServe.TorchServeOptions> = {},
  headers: Readonly<Record<string, string>> = {}
): Asking.Service => ({
  baseUrl,
  headers,
  protocol: TorchServe.make({ model: "segformer", classes, ...options })
})

export const peer = Peer.make({
  name: "torchserve",
  kind: "server",
  packages: Peer.pip("servers", "torchserve", "torch-model-archiver", "onnxruntime"),
  environments: ["servers"],
  programs: { java: "openjdk-17-jre-headless" },
  standsFor: "a handler of torch, whose wheels bring gigabytes of CUDA: ours runs onnxruntime",
  start,
  trials: {
    "probe knows it, and how it is called": ({ url }) =>
      Asking.probed(url, "torchserve", { model: "segformer" }),
    "ids in JSON, the file as body": ({ url }) => Asking.sameMaps(at(url)),
    "the file in a form": ({ url }) => Asking.sameMaps(at(url, { body: "form" })),
    "a PNG": ({ url }) => Asking.sameMaps(at(url, {}, { "x-answer": "png" })),
    "a version": ({ url }) => Asking.sameMaps(at(url, { version: "2.0" })),
    health: ({ url }) => Asking.healthy(at(url)),
    "a model and a version that are not there": ({ url }) =>
      Effect.andThen(
        Asking.failsWith(at(url, { model: "other" }), "NotFound", /ModelNotFoundException: .*other/),
        Asking.failsWith(at(url, { version: "9" }), "NotFound", /ModelVersionNotFoundException: .*9/)
      ),
    "a worker that dies under a request, which is sent again": ({ url }) =>
      Asking.sameMaps(at(url, {}, { "x-answer": "dies once" }), Asking.square),
    "NaN, which its JSON has and JSON has not": ({ url }) =>
      Asking.failsWith(at(url, {}, { "x-answer": "nan" }), "ResponseNotDecodable", /NaN/),
    "a bug of the handler": ({ url }) =>
      Asking.failsWith(
        at(url),
        "ServiceUnavailable",
        /InternalServerException|Prediction failed/,
        Asking.broken
      )
  }
})
