/** What goes wrong with a model that runs here. */
import { Schema } from "effect"
import * as ErrorKind from "./ErrorKind.ts"

/** A model that cannot be used: its files are missing or broken, or it is no SegFormer. */
export class ModelNotLoadable extends ErrorKind.ofModel<ModelNotLoadable>()("ModelNotLoadable", {
  model: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `Cannot load the model ${this.model}: ${this.detail}`
  }
}

/** The model was loaded, but running it on this image failed. */
export class InferenceFailed extends ErrorKind.ofModel<InferenceFailed>()("InferenceFailed", {
  model: Schema.String,
  source: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `The model ${this.model} failed on ${this.source}: ${this.detail}`
  }
}
