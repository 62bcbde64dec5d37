/** Clients of Hugging Face. */
import { readFileSync } from "node:fs"
import { InferenceClient } from "@huggingface/inference"
import { Result } from "effect"
import { type LabelMap, LabelPng } from "effect-segformer/mask"
import * as Peer from "../Peer.ts"
import * as Pictures from "../Pictures.ts"
import * as Ours from "./Ours.ts"

const { fails, gives, seen } = Ours

const python = Peer.make({
  name: "huggingface_hub",
  kind: "client",
  packages: Peer.pip("clients", "huggingface-hub"),
  environments: ["clients"],
  start: Ours.script("huggingface", "clients", "huggingface.py"),
  trials: {
    "InferenceClient.image_segmentation of a path": gives("path"),
    "of bytes": gives("bytes"),
    "AsyncInferenceClient, several at once": gives("async"),
    "with a subtask and thresholds": gives("parameters"),
    "a model's own path": gives("model"),
    "a subtask that the model has not": fails("panoptic", /no subtask "panoptic"/),
    "no key": fails("no key", seen.token),
    "another key": fails("other key", seen.otherToken),
    "a picture that is too large": fails("large", seen.tooLarge),
    "a file that is no image": fails("text", seen.text),
    "a model that is not there": fails("other model", seen.model)
  }
})

/** One map of masks that each pixel is in one of. */
export const mapOf = (
  found: ReadonlyArray<{ readonly label: string; readonly mask: string }>
): LabelMap.LabelMap => {
  const masks = found.map(({ label, mask }) => ({
    id: Pictures.classes.find(({ name }) => name === label)?.id ?? 255,
    ...Result.getOrThrow(LabelPng.decode(Uint8Array.from(Buffer.from(mask, "base64"))))
  }))
  const { height, width } = masks[0]!
  const data = new Uint8Array(width * height).fill(255)
  for (const mask of masks)
    for (const [at, value] of mask.data.entries()) if (value === 255) data[at] = mask.id
  return { width, height, data }
}

const asked = (ours: Ours.Ours, path: string, key = Ours.token, endpointUrl = ours.url) =>
  Ours.trying(async () => {
    const inputs = new Blob([readFileSync(path)])
    return mapOf(await new InferenceClient(key, { endpointUrl }).imageSegmentation({ inputs }))
  })

const npm = Peer.make({
  name: "@huggingface/inference",
  kind: "client",
  packages: Peer.npm("@huggingface/inference"),
  start: Ours.serve("huggingface"),
  trials: {
    "imageSegmentation of a Blob": (ours) => Ours.each(ours, (path) => asked(ours, path)),
    "another key": (ours) => Ours.failsWith(asked(ours, Ours.one(ours), Ours.otherToken), seen.otherToken),
    "a picture that is too large": (ours) => Ours.failsWith(asked(ours, ours.large), seen.tooLarge),
    "a file that is no image": (ours) => Ours.failsWith(asked(ours, ours.text), seen.text),
    "a model that is not there": (ours) =>
      Ours.failsWith(asked(ours, Ours.one(ours), Ours.token, `${ours.url}/models/other`), seen.model)
  }
})

export const rows: ReadonlyArray<Peer.Peer> = [python, npm]
