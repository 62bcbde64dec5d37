/** Placeholder until the download is written. */
import { Effect } from "effect"
import type { HttpClient } from "effect/http"
import { ModelNotLoadable } from "../SegmentationError.ts"
import type { Model } from "./ModelFolder.ts"

export interface HubOptions {
  /** A branch, tag or commit. `main` by default. */
  readonly revision?: string | undefined
}

export const open = (
  id: string,
  _variant: string,
  _options?: HubOptions
): Effect.Effect<Model, ModelNotLoadable, HttpClient.HttpClient> =>
  Effect.fail(new ModelNotLoadable({ model: id, detail: "not written yet" }))
