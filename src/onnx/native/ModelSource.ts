/**
 * Where a model comes from: the one in this package, a folder or file, or the Hugging Face Hub.
 *
 * Like an `ImageSource` it is only a name, with what it needs to be opened in its type: a folder needs nothing, a
 * model of the Hub an `HttpClient` and, for its cache, a `FileSystem`.
 *
 * ```ts
 * import { ModelSource } from "effect-segformer/onnx"
 *
 * ModelSource.folder("models/panels").name // => "panels"
 * ModelSource.hub("Xenova/segformer-b0-finetuned-ade-512-512").name // => "Xenova/segformer-b0-finetuned-ade-512-512"
 * ```
 */
import { existsSync } from "node:fs"
import { basename, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import type { FileSystem } from "effect"
import type { HttpClient } from "effect/http"
import type { ModelSource } from "../Model.ts"
import * as ModelFolder from "./ModelFolder.ts"
import * as ModelHub from "./ModelHub.ts"

export type { ModelError, ModelSource } from "../Model.ts"

/** What a model of the Hub takes to be fetched and kept. */
export type HubNeeds = HttpClient.HttpClient | FileSystem.FileSystem

/** A folder in the published layout, or an `.onnx` file in one. */
export const folder = (path: string): ModelSource => ({
  name: basename(resolve(path)),
  open: (variant) => ModelFolder.read(path, variant)
})

/** The model in this package: surface inspection, with the classes background, particle, scratch, stain, fiber and pit. */
export const bundled: ModelSource = {
  name: "bundled",
  open: (variant) =>
    ModelFolder.read(fileURLToPath(new URL("../bundled", import.meta.url)), variant, "bundled")
}

/**
 * A model of the Hugging Face Hub, such as `Xenova/segformer-b0-finetuned-ade-512-512`, downloaded on first use into
 * the user's cache. `ModelHub` says which environment variables it heeds.
 */
export const hub = (id: string, options?: ModelHub.HubOptions): ModelSource<HubNeeds> => ({
  name: id,
  open: (variant) => ModelHub.open(id, variant, options)
})

/**
 * What a person wrote, on a command line say: a path where there is one, else `OWNER/NAME` or `OWNER/NAME@REVISION` of
 * the Hub.
 */
export const parse = (text: string): ModelSource<HubNeeds> => {
  const match = /^([\w.-]+\/[\w.-]+?)(?:@([\w./-]+))?$/.exec(text)
  if (existsSync(text) || match === null) return folder(text)
  return hub(match[1]!, { revision: match[2] })
}
