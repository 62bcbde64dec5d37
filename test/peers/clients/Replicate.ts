/** Clients of Replicate. */
import { readFileSync } from "node:fs"
import { Result } from "effect"
import { LabelPng } from "effect-segformer/mask"
import Replicate from "replicate"
import * as Peer from "../Peer.ts"
import * as Ours from "./Ours.ts"

const { fails, gives, says, seen } = Ours

const python = Peer.make({
  name: "replicate (Python)",
  kind: "client",
  packages: Peer.pip("clients", "replicate"),
  environments: ["clients"],
  start: Ours.script("replicate", "clients", "replicate_client.py"),
  trials: {
    "run of a model, the file sent ahead": gives("file"),
    "of a version": gives("version"),
    "of a path": gives("path"),
    "the file in base64": gives("base64"),
    polled: gives("polled"),
    "async_run, several at once": gives("async"),
    "predictions.create": gives("predictions.create"),
    "a deployment": gives("deployments"),
    "files: created, read, listed, deleted": says("files", ["panel.png", true, true, true]),
    "models, versions, deployments, the account": says("models", [
      "acme/segformer",
      true,
      ["image"],
      "segformer",
      "organization"
    ]),
    "predictions: listed, cancelled": says("predictions", [true, true]),
    "another key": fails("other key", seen.otherToken),
    "a picture that is too large": fails("large", seen.tooLarge),
    "the same in base64": fails("large in base64", seen.tooLarge),
    "a file that is no image": fails("text", seen.text),
    "a file that is empty": fails("empty", /is not an image: it is empty/),
    "an address": fails("address", /nothing is fetched from here: send the file/),
    "a model that is not there": fails("other model", seen.model)
  }
})

interface Asked {
  readonly ref?: `${string}/${string}`
  readonly key?: string
}

const asked = (
  { url }: Ours.Ours,
  image: unknown,
  { key = Ours.token, ref = "acme/segformer" }: Asked = {}
) =>
  Ours.trying(async () => {
    const replicate = new Replicate({ auth: key, baseUrl: `${url}/v1`, useFileOutput: false })
    const output = String(await replicate.run(ref, { input: { image } }))
    const png = Buffer.from(output.slice(output.indexOf(",") + 1), "base64")
    return Result.getOrThrow(LabelPng.decode(Uint8Array.from(png)))
  })

const blob = (path: string) => new Blob([readFileSync(path)])

const npm = Peer.make({
  name: "replicate (npm)",
  kind: "client",
  packages: Peer.npm("replicate"),
  start: Ours.serve("replicate"),
  trials: {
    "run of a model, a Blob sent ahead": (ours) => Ours.each(ours, (path) => asked(ours, blob(path))),
    "a Buffer": (ours) => Ours.each(ours, (path) => asked(ours, readFileSync(path))),
    "a data URL": (ours) =>
      Ours.each(ours, (path) =>
        asked(ours, `data:application/octet-stream;base64,${readFileSync(path).toString("base64")}`)
      ),
    "a version": (ours) =>
      Ours.each(ours, (path) => asked(ours, blob(path), { ref: "acme/segformer:segformer" })),
    "another key": (ours) =>
      Ours.failsWith(asked(ours, blob(Ours.one(ours)), { key: Ours.otherToken }), seen.otherToken),
    "a picture that is too large": (ours) => Ours.failsWith(asked(ours, blob(ours.large)), seen.tooLarge),
    "a file that is no image": (ours) => Ours.failsWith(asked(ours, blob(ours.text)), seen.text),
    "a model that is not there": (ours) =>
      Ours.failsWith(asked(ours, blob(Ours.one(ours)), { ref: "acme/other" }), seen.model)
  }
})

export const rows: ReadonlyArray<Peer.Peer> = [python, npm]
