/** What is kept of an image once it is settled: data, so that a journal, a database or a workflow can hold it. */
import { Schema } from "effect"

/** An image that is done, and all its results written. */
export const Receipt = Schema.Struct({
  /** The key of its item. */
  key: Schema.String,
  /** The first 128 bits of the SHA-256 of the file, in hexadecimal. */
  content: Schema.String,
  /** In pixels. */
  width: Schema.Int,
  /** In pixels. */
  height: Schema.Int,
  /** Attempts at the segmenter; 0 where the result of an equal image was repeated. */
  attempts: Schema.Int,
  /** From the call to the segmenter to its result. */
  millis: Schema.Finite,
  /** How sure the segmenter is of it on average, 0 to 1, where it says. */
  confidence: Schema.optionalKey(Schema.Finite),
  /** The key of the image with the same content whose result this is. */
  sameAs: Schema.optionalKey(Schema.String),
  /** What sinks keep for their end, by the name of the sink. */
  records: Schema.Record(Schema.String, Schema.String)
})
export type Receipt = typeof Receipt.Type

/** An image that is settled without a result. */
export const Failure = Schema.Struct({
  key: Schema.String,
  /** The tag of its error, such as `NotAnImage`. */
  tag: Schema.String,
  message: Schema.String
})
export type Failure = typeof Failure.Type
