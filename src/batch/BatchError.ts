/**
 * What ends a run, or keeps it from starting. What is wrong with one image ends nothing: it is listed with its tag, and
 * `SinkFailed` is among those tags unless it is of the whole disk (`endsRun`).
 *
 * Each says what it concerns (`concerns`) and whether the same run, begun again later as it is, may go on (`isTransient`).
 */
import { Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"

/** Where results go cannot be written to. */
export class SinkFailed extends ErrorKind.ofCaller<SinkFailed>()("SinkFailed", {
  /** The name of the sink. */
  sink: Schema.String,
  /** The path, or what else it writes to. */
  place: Schema.String,
  detail: Schema.String,
  /**
   * Whether no other result can be written there either, as on a disk that is full: a run on one machine ends with it, one
   * on many is paused, and begun again it does the image as any that is not done.
   */
  endsRun: Schema.optionalKey(Schema.Boolean)
}) {
  override get message(): string {
    return `The results of "${this.sink}" cannot be written to ${this.place}: ${this.detail}`
  }
}

/** The source of a run cannot be read: no such folder, a manifest with a broken line, a listing that is none. */
export class SourceNotReadable extends ErrorKind.ofCaller<SourceNotReadable>()("SourceNotReadable", {
  source: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `Cannot list the images of ${this.source}: ${this.detail}`
  }
}

/** The folder in which a run is remembered cannot be used. What is done is still in it. */
export class RunFolderFailed extends ErrorKind.ofCaller<RunFolderFailed>()("RunFolderFailed", {
  folder: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `The run in ${this.folder} cannot be remembered: ${this.detail}. Nothing that is done is lost: run it again once that is mended`
  }
}

/** Another process works on this run. */
export class RunLocked extends ErrorKind.forNow<RunLocked>()("RunLocked", {
  folder: Schema.String,
  pid: Schema.Int,
  host: Schema.String
}) {
  override get message(): string {
    return `Process ${this.pid} on ${this.host} is at work on the run in ${this.folder}. Wait until it has ended, or use another folder`
  }
}

/** The run was begun with another configuration or model: its results would not go together. */
export class RunChanged extends ErrorKind.ofCaller<RunChanged>()("RunChanged", {
  folder: Schema.String,
  /** What differs, each in words. */
  changes: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `The run in ${this.folder} was begun otherwise: ${this.changes.join("; ")}. Use another folder, or allow the change: what is done stays as it is`
  }
}

/** So many images failed that the run was ended. Run again, it goes on where it was. */
export class TooManyFailures extends ErrorKind.ofCaller<TooManyFailures>()("TooManyFailures", {
  failed: Schema.Int,
  limit: Schema.Int,
  /** Whether they came one after the other, without an image between them that went well. */
  inARow: Schema.Boolean,
  /** The message of the last one. */
  last: Schema.String
}) {
  override get message(): string {
    const how = this.inARow ? " one after the other" : ""
    return `The run was ended after ${this.failed} images failed${how} (the limit is ${this.limit}). The last one: ${this.last}`
  }
}

export const BatchError = Schema.Union([
  SinkFailed,
  SourceNotReadable,
  RunFolderFailed,
  RunLocked,
  RunChanged,
  TooManyFailures
])
/** Everything that ends a run before its last image. */
export type BatchError =
  | SinkFailed
  | SourceNotReadable
  | RunFolderFailed
  | RunLocked
  | RunChanged
  | TooManyFailures
