/** What a site's model consists of, for who writes the site and for the worker that reads it. */
import type { Model } from "../../onnx/Model.ts"

/** What `model.json` says of the model in `model.onnx.zst`. */
export interface Described extends Omit<Model, "bytes" | "file" | "outside"> {
  /** The names that the model has for the files that hold its weights, in the order of {@link weights}. */
  readonly outside: ReadonlyArray<string>
}

/** The file of the site that holds the weights of a place in {@link Described.outside}. */
export const weights = (at: number): string => `weights-${at}.zst`
