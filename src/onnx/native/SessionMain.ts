/**
 * The process of a session: turns pictures into label maps, in the order in which they come. It is started by
 * `SessionProcess` with a pipe on descriptor 3, and ends when that pipe does, so it never outlives its parent.
 *
 * The model runs in a thread of its own (`SessionRunner`); everything around it happens here, for one picture while
 * the model runs on another.
 */
import { Socket } from "node:net"
import { Worker } from "node:worker_threads"
import type { LabelData } from "../../mask/LabelMap.ts"
import * as Frames from "./Frames.ts"
import { release } from "../session/Memory.ts"
import { type Expected, logitsOf, type Output, read } from "../session/Output.ts"
import * as Preprocessing from "../../image/Preprocessing.ts"
import type { Scratch } from "../../image/Resample.ts"
import { reasonOf, settle, tried } from "../session/Graph.ts"
import type { FromRunner, ToRunner } from "./SessionRunner.ts"

/** One buffer for all that comes: a picture is megabytes, and each piece of it would be a buffer to collect. */
const incoming = new Uint8Array(256 * 1024)
const pipe = new Socket({
  fd: 3,
  onread: {
    buffer: incoming,
    callback: (bytes, buffer) => {
      reader(buffer.subarray(0, bytes))
      return true
    }
  }
})

/** `body` is gone once it is sent. */
const send = (message: Frames.FromSession, body?: Uint8Array): void => {
  pipe.cork()
  pipe.write(Frames.head(message, body?.length))
  if (body !== undefined && body.length > 0) pipe.write(body, () => release(body))
  pipe.uncork()
}

const bytesOf = (data: LabelData | Float32Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

const runner = new Worker(
  new URL(import.meta.url.endsWith(".ts") ? "./SessionRunner.ts" : "./SessionRunner.js", import.meta.url)
)
const waiting: Array<(answer: FromRunner) => void> = []
runner.on("message", (answer: FromRunner) => waiting.shift()?.(answer))

/** The runner answers in the order in which it is asked. */
const ask = (message: ToRunner, transfer: Array<ArrayBuffer> = []): Promise<FromRunner> =>
  new Promise((resolve) => {
    waiting.push(resolve)
    runner.postMessage(message, transfer)
  })

/** Pictures come whole, one after the other, so that they can share it. */
const scratch: Scratch = { bytes: new Uint8Array() }

/** Storage for the next input: that of one which the model is done with. */
let spare: Float32Array | undefined

/** Pictures that have come, and those of them that nobody waits for any more. */
let came = 0
let answered = 0
const cancelled = new Set<number>()

/** Done when the model is done with what came before. */
let free: Promise<unknown> = Promise.resolve()

/** In the order in which it is called. A picture that nobody waits for any more when its turn comes is left out. */
const inTurn = (input: Preprocessing.Input, number: number): Promise<Output> => {
  const output = free.then(() => {
    if (cancelled.has(number)) throw new Error("nobody waits for it any more")
    send({ type: "begun", number })
    return infer(input)
  })
  free = output.catch(() => {})
  return output
}

const infer = async ({ data, height, width }: Preprocessing.Input): Promise<Output> => {
  const transfer = data.buffer instanceof ArrayBuffer ? [data.buffer] : []
  const answer = await ask({ type: "run", data, width, height }, transfer)
  if (answer.type === "output") {
    spare = answer.input
    return answer
  }
  throw new Error(answer.type === "failed" ? answer.detail : "the model did not run")
}

let preprocessing = Preprocessing.defaults
let expected: Expected = { classes: 0 }

const load = async (message: Frames.Load, model: string | Uint8Array): Promise<Frames.FromSession> => {
  const { threads } = message
  expected = message.expected
  const answer = await ask({ type: "load", model, threads, expected, settings: message.settings })
  if (answer.type === "unusable") return answer
  const { height, reason, width } = answer.type === "loaded" ? answer : {}
  try {
    preprocessing = settle(message.preprocessing, { height, width })
    await tried({ height, width }, preprocessing, async (width, height) => {
      const data = new Float32Array(3 * width * height)
      const output = await infer({ data, width, height, place: undefined })
      read(output, { width: 2, height: 2, confidence: false }, expected, { width, height })
    })
    return { type: "ready", reason }
  } catch (cause) {
    return { type: "unusable", reason: "model", detail: reasonOf(cause) }
  }
}

/** Done when the answer for what came before is sent: they go in the order of the pictures. */
let told: Promise<unknown> = Promise.resolve()

const predict = async (picture: Frames.Picture, input: Preprocessing.Input, started: number) => {
  const number = came++
  const before = told
  try {
    const output = await inTurn(input, number)
    // By then the model is at the next one.
    await before
    const logits = picture.logits === true ? logitsOf(output, expected, input) : undefined
    if (logits !== undefined) {
      const { data, ...sizes } = logits
      return send({ type: "logits", ...sizes, milliseconds: performance.now() - started }, bytesOf(data))
    }
    const { confidence, labels, scores, uncertainty } = read(output, picture, expected, input)
    // Class ids of 8 bits at the picture's size are the labels themselves.
    if (ArrayBuffer.isView(output.data) && output.data.buffer !== labels.data.buffer) release(output.data)
    if (confidence !== undefined) send({ type: "confidence" }, bytesOf(confidence))
    const { data, height, ignoreIndex, width } = labels
    const milliseconds = performance.now() - started
    send(
      {
        type: "labels",
        width,
        height,
        bytesPerId: data.BYTES_PER_ELEMENT,
        ignoreIndex,
        scores,
        uncertainty,
        milliseconds
      },
      bytesOf(data)
    )
  } catch (cause) {
    await before
    send({ type: "failed", detail: reasonOf(cause) })
  } finally {
    answered++
    cancelled.delete(number)
  }
}

/** Answers in its turn for a picture that the settings cannot do with. */
const refuse = async (detail: string) => {
  came++
  await told
  answered++
  send({ type: "failed", detail })
}

const open = (message: Frames.ToSession, bytes: number): Frames.Sink => {
  if (message.type === "cancel") {
    return {
      push: () => {},
      end: () => {
        if (message.number >= answered) cancelled.add(message.number)
      }
    }
  }
  if (message.type === "load") {
    send({ type: "loading" })
    return Frames.collect(
      bytes,
      (body) => void load(message, message.file ?? new Uint8Array(body)).then((answer) => send(answer))
    )
  }
  const started = performance.now()
  let input: ReturnType<typeof Preprocessing.make>
  try {
    input = Preprocessing.make(preprocessing, message.width, message.height, scratch)
  } catch (cause) {
    return { push: () => {}, end: () => (told = refuse(reasonOf(cause))) }
  }
  return {
    push: input.push,
    end: () => {
      const storage = spare
      spare = undefined
      told = predict(message, input.finish(storage), started)
    }
  }
}

/** The runtime may be in the middle of a run, which it would not survive in any gentler way. */
const leave = () => process.kill(process.pid, "SIGKILL")

// A terminal sends Ctrl-C, and its own end, to every process of its group: when to end is the parent's to say, by closing the pipe.
process.on("SIGINT", () => {})
process.on("SIGTERM", () => {})
process.on("SIGHUP", () => {})
const reader = Frames.makeReader(open)
pipe.resume()
pipe.on("end", leave)
pipe.on("error", leave)
