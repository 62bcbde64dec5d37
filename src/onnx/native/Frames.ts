/**
 * What goes between this process and that of a session: frames of a header in JSON and bytes as they are, over a
 * pipe. Node's own channel would copy each picture twice more and hold up the event loop while it does.
 *
 * | part | bytes |
 * |---|---|
 * | length of the header | 4, little-endian |
 * | header: a message in JSON, whose `bytes` says how many follow | as said |
 * | body | as said |
 */
import type { Uncertainty } from "../../mask/Uncertainty.ts"
import type { Preprocessing } from "../../image/Preprocessing.ts"
import type { Expected } from "../session/Session.ts"
import type { SessionSettings } from "./Provider.ts"
import type * as Session from "../session/Session.ts"

/** Without a file the body is the model's bytes. */
export interface Load {
  readonly type: "load"
  /** Of this package, where the program began: an update may have replaced what a process starts with since. */
  readonly version: string
  /** Path of an `.onnx` file. */
  readonly file: string | undefined
  readonly threads: number
  readonly preprocessing: Preprocessing
  readonly expected: Expected
  readonly settings: SessionSettings
}

/** The body is `[height, width, 3]`. */
export interface Picture extends Session.Wanted {
  readonly type: "picture"
  readonly width: number
  readonly height: number
}

/** Nobody waits any more for the picture of this number, counted from 0 in the order in which they are sent. */
export interface Cancel {
  readonly type: "cancel"
  readonly number: number
}

export type ToSession = Load | Picture | Cancel

export interface Unusable extends Session.Unusable {
  readonly type: "unusable"
}

/** The model has begun with the picture of this number. */
export interface Begun {
  readonly type: "begun"
  readonly number: number
}

/** The body is `[height, width]` 32-bit numbers; it goes before its `labels`. */
export interface Confidence {
  readonly type: "confidence"
}

/** The body is `[height, width]` class ids of so many bytes each. */
export interface Labels {
  readonly type: "labels"
  readonly width: number
  readonly height: number
  readonly bytesPerId: number
  /** The id of pixels that the model has not seen. */
  readonly ignoreIndex?: number | undefined
  readonly scores: ReadonlyArray<readonly [id: number, score: number]>
  /** Where the model gives logits. */
  readonly uncertainty?: Uncertainty | undefined
  /** All the work of the session on this picture. */
  readonly milliseconds: number
}

/** The body is `[classes, height, width]` 32-bit numbers, as the model gave them. */
export interface Logits {
  readonly type: "logits"
  readonly classes: number
  readonly width: number
  readonly height: number
  readonly milliseconds: number
}

export type FromSession =
  /** The first: it has been told what to load, and goes about it for as long as that takes. */
  | { readonly type: "loading" }
  | { readonly type: "ready"; readonly reason?: string | undefined }
  | Unusable
  | Begun
  | Confidence
  | Labels
  | Logits
  | { readonly type: "failed"; readonly detail: string }

/** The start of a frame; the body, if any, is written after it. */
export const head = (message: ToSession | FromSession, bytes = 0): Uint8Array => {
  const json = new TextEncoder().encode(JSON.stringify({ ...message, bytes }))
  const frame = new Uint8Array(4 + json.length)
  new DataView(frame.buffer).setUint32(0, json.length, true)
  frame.set(json, 4)
  return frame
}

/** What becomes of a frame whose header has come. */
export interface Sink {
  /** The next bytes of the body. They are only valid until it returns. */
  readonly push: (chunk: Uint8Array) => void
  /** The body is whole. */
  readonly end: () => void
}

/** A body that is wanted in one piece. */
export const collect = (bytes: number, use: (body: ArrayBuffer) => void): Sink => {
  const body = new Uint8Array(bytes)
  let seen = 0
  return {
    push: (chunk) => {
      body.set(chunk, seen)
      seen += chunk.length
    },
    end: () => use(body.buffer)
  }
}

/** A reader of frames, fed with whatever pieces the pipe gives. */
export const makeReader = <Message extends ToSession | FromSession>(
  open: (message: Message, bytes: number) => Sink
): ((chunk: Uint8Array) => void) => {
  let pending = new Uint8Array()
  let wanted = 4
  let sink: Sink | undefined
  let left = 0
  return (chunk) => {
    let at = 0
    while (at < chunk.length || (sink !== undefined && left === 0)) {
      if (sink !== undefined) {
        const part = chunk.subarray(at, at + left)
        at += part.length
        left -= part.length
        if (part.length > 0) sink.push(part)
        if (left > 0) return
        const { end } = sink
        sink = undefined
        end()
        continue
      }
      const part = chunk.subarray(at, at + wanted - pending.length)
      at += part.length
      const joined = new Uint8Array(pending.length + part.length)
      joined.set(pending)
      joined.set(part, pending.length)
      pending = joined
      if (pending.length < wanted) return
      if (wanted === 4) {
        wanted = 4 + new DataView(pending.buffer).getUint32(0, true)
        continue
      }
      // Both ends of the pipe are this library at one version: the only place where a message is taken on trust.
      const message = JSON.parse(new TextDecoder().decode(pending.subarray(4))) as Message & { bytes: number }
      pending = new Uint8Array()
      wanted = 4
      left = message.bytes
      sink = open(message, left)
    }
  }
}
