/** curl, as the pages of each service call it. */
import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { Effect, Result, type Scope } from "effect"
import { type LabelMap, LabelPng } from "effect-segformer/mask"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as HuggingFace from "./HuggingFace.ts"
import * as Ours from "./Ours.ts"

type Ask = (path: string) => ReadonlyArray<string>
type Read = (json: ReturnType<typeof JSON.parse>) => LabelMap.LabelMap

const png = (base64: string): LabelMap.LabelMap =>
  Result.getOrThrow(LabelPng.decode(Uint8Array.from(Buffer.from(base64, "base64"))))
const dataUrl = (url: string) => png(url.slice(url.indexOf(",") + 1))
const base64 = (path: string) => readFileSync(path).toString("base64")

/** Rows of ids. */
const rowsOf = (rows: ReadonlyArray<ReadonlyArray<number>>): LabelMap.LabelMap => ({
  width: rows[0]?.length ?? 0,
  height: rows.length,
  data: Uint8Array.from(rows.flat())
})

/** A body of JSON in a file, since it is too long for an argument. */
const json = (path: string, body: unknown): ReadonlyArray<string> => {
  const file = `${path}.json`
  writeFileSync(file, JSON.stringify(body))
  return ["-H", "Content-Type: application/json", "-d", `@${file}`]
}

const asked = (args: ReadonlyArray<string>) =>
  Process.output("curl", ["-sS", "-H", `Authorization: Bearer ${Ours.token}`, ...args])

const gives =
  (ask: (url: string) => Ask, read: Read) =>
  (ours: Ours.Ours): Effect.Effect<void, unknown, Scope.Scope> =>
    Effect.gen(function* () {
      const folder = yield* Process.folder
      yield* Ours.each(ours, (path) =>
        Effect.map(
          Effect.suspend(() => {
            const own = `${folder}/${path.slice(path.lastIndexOf("/") + 1)}`
            writeFileSync(own, readFileSync(path))
            return asked(ask(ours.url)(own))
          }),
          (text) => read(JSON.parse(text))
        )
      )
    })

export const peer = Peer.make({
  name: "curl",
  kind: "client",
  packages: Peer.debian("curl"),
  programs: { curl: "curl" },
  start: Ours.serve("torchserve,huggingface,openinference,roboflow,tfserving,bentoml,cog,replicate"),
  trials: {
    "Hugging Face: --data-binary": gives(
      (url) => (path) => [`${url}/models/segformer`, "--data-binary", `@${path}`],
      HuggingFace.mapOf
    ),
    "TorchServe: -T": gives(
      (url) => (path) => [`${url}/predictions/segformer`, "-T", path],
      ({ mask }) => png(mask)
    ),
    "TorchServe: -F data=@": gives(
      (url) => (path) => ["-X", "POST", `${url}/predictions/segformer`, "-F", `data=@${path}`],
      ({ mask }) => png(mask)
    ),
    "BentoML: -F image=@": gives(
      (url) => (path) => ["-X", "POST", `${url}/segment`, "-F", `image=@${path};type=image/png`],
      ({ mask }) => png(mask)
    ),
    "Cog: a data URL": gives(
      (url) => (path) => [
        `${url}/predictions`,
        "-X",
        "POST",
        ...json(path, { input: { image: `data:image/png;base64,${base64(path)}` } })
      ],
      ({ output }) => dataUrl(output)
    ),
    "Replicate: Prefer: wait": gives(
      (url) => (path) => [
        "-H",
        "Prefer: wait",
        ...json(path, { version: "segformer", input: { image: `data:image/png;base64,${base64(path)}` } }),
        `${url}/v1/predictions`
      ],
      ({ output }) => dataUrl(output)
    ),
    "Roboflow: base64 as a form": gives(
      (url) => (path) => {
        writeFileSync(`${path}.txt`, base64(path))
        return ["-d", `@${path}.txt`, `${url}/segformer/1?api_key=${Ours.token}`]
      },
      ({ predictions }) => png(predictions.segmentation_mask)
    ),
    "TensorFlow Serving: instances": gives(
      (url) => (path) => [
        ...json(path, { instances: [{ b64: base64(path) }] }),
        "-X",
        "POST",
        `${url}/v1/models/segformer:predict`
      ],
      ({ predictions: [rows] }) => rowsOf(rows)
    ),
    "KServe: infer": gives(
      (url) => (path) => [
        ...json(path, {
          inputs: [{ name: "image", shape: [1], datatype: "BYTES", data: [base64(path)] }]
        }),
        `${url}/v2/models/segformer/infer`
      ],
      ({ outputs: [{ data, shape }] }) => ({ width: shape[2], height: shape[1], data: Uint8Array.from(data) })
    ),
    "another key": (ours) =>
      Effect.map(
        Process.output("curl", ["-sS", "-u", `x:${Ours.otherToken}`, `${ours.url}/v1/models`]),
        (text) => assert.match(text, Ours.seen.otherToken)
      ),
    "a picture that is too large, with --fail-with-body": (ours) =>
      Ours.failsWith(
        asked(["--fail-with-body", `${ours.url}/v1/segment`, "--data-binary", `@${ours.large}`]),
        /ended with 22/
      )
  }
})
