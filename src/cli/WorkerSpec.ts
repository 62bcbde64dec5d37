/** What `segformer batch --db` tells the workers of a run: who segments, what is accepted, and which results it wants. */
import { Schema } from "effect"
import { ServiceSettings } from "../http/ServiceSettings.ts"
import * as BatchSinks from "./BatchSinks.ts"

export const WorkerSpec = Schema.Struct({
  sinks: BatchSinks.Options,
  /** As of `Backend`; keys of services are in each worker's environment. */
  url: Schema.optionalKey(Schema.String),
  model: Schema.optionalKey(Schema.String),
  variant: Schema.optionalKey(Schema.String),
  threshold: Schema.optionalKey(Schema.Number),
  modelOutput: Schema.optionalKey(Schema.String),
  /** Of runs that an older version submitted; newer ones have it in the settings. */
  palette: Schema.optionalKey(Schema.String),
  /** What the service speaks, with its palette: all but the keys, which are named. */
  settings: Schema.optionalKey(ServiceSettings),
  limits: Schema.Struct({
    maxBytes: Schema.optionalKey(Schema.Int),
    maxPixels: Schema.optionalKey(Schema.Int)
  })
})
export type WorkerSpec = typeof WorkerSpec.Type
