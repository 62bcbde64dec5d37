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
import { release } from "../../mask/Grid.ts"
import * as Pipeline from "../session/Pipeline.ts"
import type { Outcome } from "../session/Session.ts"
import type * as Preprocessing from "../../image/Preprocessing.ts"
import type { FromRunner, ToRunner } from "./SessionRunner.ts"
import { lineOf } from "../../SystemError.ts"
import { version } from "../../version.ts"

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

let pipeline: Pipeline.Pipeline | undefined

const infer = async ({ data, height, width }: Preprocessing.Input) => {
  const transfer = data.buffer instanceof ArrayBuffer ? [data.buffer] : []
  const answer = await ask({ type: "run", data, width, height }, transfer)
  if (answer.type === "output") return answer
  throw new Error(answer.type === "failed" ? answer.detail : "the model did not run")
}

const sendOutcome = (outcome: Outcome): void => {
  const { milliseconds } = outcome
  if (outcome._tag === "Logits") {
    const { data, ...sizes } = outcome.logits
    return send({ type: "logits", ...sizes, milliseconds }, bytesOf(data))
  }
  const { confidence, labelMap, scores, uncertainty } = outcome
  if (confidence !== undefined) send({ type: "confidence" }, bytesOf(confidence.data))
  const { data, height, ignoreIndex, width } = labelMap
  send(
    {
      type: "labels",
      width,
      height,
      bytesPerId: data.BYTES_PER_ELEMENT,
      ignoreIndex,
      scores: [...scores],
      uncertainty,
      milliseconds
    },
    bytesOf(data)
  )
}

const load = async (message: Frames.Load, model: string | Uint8Array): Promise<Frames.FromSession> => {
  const { expected, preprocessing, settings, threads } = message
  const answer = await ask({ type: "load", model, threads, expected, settings })
  if (answer.type === "unusable") return answer
  const { height, reason, width } = answer.type === "loaded" ? answer : {}
  try {
    pipeline = await Pipeline.start(
      { height, width, ...Pipeline.inTurn(infer) },
      { preprocessing, expected },
      {
        begun: (number) => send({ type: "begun", number }),
        done: sendOutcome,
        failed: (detail) => send({ type: "failed", detail })
      }
    )
    return { type: "ready", reason }
  } catch (cause) {
    return { type: "unusable", reason: "model", detail: lineOf(cause) }
  }
}

const replaced = (before: string): string =>
  `version ${version} of effect-segformer has taken the place of ${before}, which the program began with. Start the program again`

const open = (message: Frames.ToSession, bytes: number): Frames.Sink => {
  if (message.type === "cancel") {
    return { push: () => {}, end: () => pipeline?.cancel(message.number) }
  }
  if (message.type === "load") {
    send({ type: "loading" })
    return Frames.collect(bytes, (body) => {
      if (message.version === version)
        void load(message, message.file ?? new Uint8Array(body)).then((answer) => send(answer))
      else send({ type: "unusable", reason: "model", detail: replaced(message.version) })
    })
  }
  if (pipeline === undefined) throw new Error("a picture came before the model")
  return pipeline.open(message)
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
