/** What `segformer batch --db` tells the workers of a run: who segments, what is accepted, and which results it wants. */
import { Schema } from "effect"
import * as BatchSinks from "./BatchSinks.ts"

export const WorkerSpec = Schema.Struct({
  sinks: BatchSinks.Options,
  /** As of `Backend`; keys of services are in each worker's environment. */
  url: Schema.optionalKey(Schema.String),
  model: Schema.optionalKey(Schema.String),
  palette: Schema.optionalKey(Schema.Literals(["surface", "ade20k", "cityscapes", "voc"])),
  limits: Schema.Struct({
    maxBytes: Schema.optionalKey(Schema.Int),
    maxPixels: Schema.optionalKey(Schema.Int)
  })
})
export type WorkerSpec = typeof WorkerSpec.Type
