/** `probe --write`, then `segment --service` and `batch --service`, against services of each kind. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, type Scope } from "effect"
import { LabelPng } from "effect-segformer/mask"
import { Dialects } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import * as BentoServer from "../http/servers/BentoServer.ts"
import * as CogServer from "../http/servers/CogServer.ts"
import * as CustomServer from "../http/servers/CustomServer.ts"
import * as HuggingFaceServer from "../http/servers/HuggingFaceServer.ts"
import * as InspectionModel from "../http/servers/InspectionModel.ts"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import * as OpenInferenceServer from "../http/servers/OpenInferenceServer.ts"
import * as OwnServer from "../http/servers/OwnServer.ts"
import * as ReplicateServer from "../http/servers/ReplicateServer.ts"
import * as RoboflowServer from "../http/servers/RoboflowServer.ts"
import * as TfServingServer from "../http/servers/TfServingServer.ts"
import * as TorchServeServer from "../http/servers/TorchServeServer.ts"
import { serve } from "../server/support.ts"
import { run as here } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"
import { passing } from "../support/Passing.ts"
import { http } from "../support/TestServer.ts"
import { fastApi, gateway, keyed, strict } from "./services.ts"

const grey = Result.getOrThrow(LabelPng.encode(Fixtures.labelMap))

interface Subject {
  readonly start: Effect.Effect<
    { readonly url: string; readonly settings?: Record<string, unknown> },
    unknown,
    Scope.Scope
  >
  readonly args?: ReadonlyArray<string>
  readonly env?: Record<string, string>
  readonly expected?: Record<string, unknown>
  /** Its jobs are asked about a second apart. */
  readonly isAsked?: boolean
  /** A label map by default. */
  readonly makes?: "overlay"
}

const subjects: Readonly<Record<string, Subject>> = {
  "a server that describes itself": {
    start: http(fastApi),
    expected: {
      protocol: "custom",
      path: "/api/segment",
      part: "upload",
      fields: { model: "b0" },
      healthPath: "/healthz"
    }
  },
  "a server that has no route for a request without its part": { start: http(strict) },
  "a gateway that answers 403": { start: http(gateway(403)), expected: { protocol: "custom" } },
  "a gateway that answers 401": { start: http(gateway(401)), expected: { protocol: "custom" } },
  "a server that answers 405 for all it does not know": { start: http(gateway(405)) },
  "a server that answers 400 for all it does not know": { start: http(gateway(400)) },
  "JSON with base64 and a key in its own header": {
    start: http(keyed),
    env: { SEGFORMER_API_KEY: "hunter2-of-the-lab" },
    expected: {
      protocol: "custom",
      path: "/predict",
      body: "base64",
      part: "image_base64",
      keyHeader: "X-Lab-Key"
    }
  },
  "Hugging Face": { start: HuggingFaceServer.make, expected: { protocol: "huggingface" } },
  BentoML: { start: BentoServer.make },
  Cog: { start: CogServer.make(grey) },
  Replicate: {
    start: Effect.map(ReplicateServer.make(grey), (server) => ({
      url: server.url,
      // Its files lie at a host that is known; those of a test do not.
      settings: { hosts: [new URL(server.delivery.url).host] }
    })),
    isAsked: true,
    args: ["--model", "v1"],
    env: { SEGFORMER_API_KEY: ReplicateServer.token }
  },
  Triton: { start: OpenInferenceServer.make({ binary: true }), args: ["--model", "segformer"] },
  Roboflow: {
    start: RoboflowServer.make,
    args: ["--model", "panels/3"],
    env: { SEGFORMER_API_KEY: RoboflowServer.key }
  },
  TorchServe: { start: TorchServeServer.make, args: ["--model", "segformer"] },
  "TF Serving": {
    start: Effect.map(TfServingServer.make, ({ url }) => ({
      url,
      // It says nothing of its outputs.
      settings: { maskAs: "logits", channels: "last" }
    })),
    args: ["--model", "segformer"],
    expected: { protocol: "tfserving", model: "segformer" }
  },
  "a Flask file": {
    start: Effect.map(CustomServer.make, ({ url }) => ({ url, settings: { fields: { model: "b0" } } })),
    expected: { protocol: "custom", path: "/segment" }
  },
  "an inspection service with a palette": {
    start: Effect.map(InspectionModel.make, ({ url }) => ({ url, settings: { palette: "surface" } })),
    expected: { protocol: "inspection" }
  },
  "an inspection service that only paints": {
    start: InspectionServer.make,
    expected: { protocol: "inspection" },
    makes: "overlay"
  },
  "/v1": { start: OwnServer.make, expected: { protocol: "segformer" } },
  ...Object.fromEntries(
    Dialects.names.map((name) => [
      `segformer serve --protocol ${name}`,
      {
        start: Effect.flatMap(Dialects.load([name]), (dialects) => serve(undefined, { dialects })),
        expected: { protocol: "segformer" }
      } satisfies Subject
    ])
  )
}

const passingBy: typeof here = (args, options) => passing(here(args, options))

describe("probe --write, then segment --service and batch --service", () => {
  for (const [name, subject] of Object.entries(subjects)) {
    const { args = [], env = {}, expected, isAsked = false, makes = "labels", start } = subject
    const [test, run] = isAsked ? [it.effect, passingBy] : [it.live, here]
    test(`of ${name}`, () =>
      Effect.gen(function* () {
        const { settings = {}, url } = yield* start
        const cwd = yield* folder({ "panel.png": Fixtures.image })
        const probed = yield* run(["probe", url, ...args, "--write", "svc.json"], { cwd, env })
        assert.deepStrictEqual([probed.code, probed.stderr], [0, ""], probed.stdout)
        const text = readFileSync(join(cwd, "svc.json"), "utf8")
        for (const secret of Object.values(env)) assert.notInclude(text, secret)
        if (expected !== undefined) assert.deepStrictEqual(JSON.parse(text), { url, ...expected })
        writeFileSync(join(cwd, "svc.json"), JSON.stringify({ ...JSON.parse(text), ...settings }))
        const one = yield* run(["segment", "--service", "svc.json", "panel.png", "--out", "one"], {
          cwd,
          env
        })
        assert.deepStrictEqual([one.code, one.stderr], [0, ""])
        assert.isTrue(existsSync(join(cwd, `one/panel.${makes}.png`)), one.stdout)
        const many = yield* run(["batch", "panel.png", "--service", "svc.json", "--out", "many"], {
          cwd,
          env
        })
        assert.deepStrictEqual([many.code, many.stderr], [0, ""])
        assert.isTrue(existsSync(join(cwd, `many/panel.png.${makes}.png`)), many.stdout)
        const health = yield* run(["health", "--service", "svc.json"], { cwd, env })
        assert.deepStrictEqual([health.code, health.stderr], [0, ""])
      }).pipe(Effect.scoped))
  }
})
