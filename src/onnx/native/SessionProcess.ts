/**
 * One session as its parent sees it: a process of its own, which does one picture after the other.
 *
 * A process and not a worker thread: a thread that ends while ONNX Runtime runs aborts the whole program, and so do
 * `process.exit` and an uncaught error meanwhile; a process can be killed at any time (docs/decisions/inference-workers.md).
 */
import { type ChildProcess, spawn } from "node:child_process"
import { Socket } from "node:net"
import { fileURLToPath } from "node:url"
import type { ConfidenceMap } from "../../mask/ConfidenceMap.ts"
import * as SystemError from "../../SystemError.ts"
import { release } from "../../mask/Grid.ts"
import type { Ending, Load, Picture, Session, SessionEvents, Unusable } from "../session/Session.ts"
import * as Frames from "./Frames.ts"
import { version } from "../../version.ts"
import * as Platform from "./Platform.ts"
import type { SessionSettings } from "./Provider.ts"

// The child must be a file beside this one: TypeScript in the sources, JavaScript in the package.
const main = new URL(
  import.meta.url.endsWith(".ts") ? "./SessionMain.ts" : "./SessionMain.js",
  import.meta.url
)

/** Those alive. They end when their pipe does, but one in the middle of a long run would not notice before its end. */
const alive = new Set<ChildProcess>()
const killAll = () => {
  for (const child of alive) child.kill("SIGKILL")
}

/** One picture in the model, one before it. */
const depth = 2

/** ONNX Runtime reports its use to Microsoft unless told not to; nobody who segments an image has asked for that. */
const environment = { ORT_DISABLE_TELEMETRY: "1" }

/** How much of what a process printed last is worth keeping. */
const keptOutput = 2000

/** What stands for a process that there is none of. */
const none: Session = { pid: undefined, room: () => 0, predict: () => () => {}, kill: () => {} }

/** Says why, once whoever starts it listens. */
const refused = (problem: Unusable, events: SessionEvents): Session => {
  queueMicrotask(() => {
    events.unusable(problem)
    events.gone()
  })
  return none
}

/** The system did not start it, and says why. */
const notStarted = (child: ChildProcess, events: SessionEvents): Session => {
  child.on("error", (cause) => {
    const why = SystemError.wordsOf(cause) ?? cause.message
    events.unusable({ reason: "model", detail: `a process for it cannot be started: ${why}` })
    events.gone()
  })
  return none
}

/** How long a process may take to say that it is there: an idle machine takes 0.1 s, and no load takes that long. */
const patience = 60_000

/** How it is started: parameters, so that a test can have one that never answers. */
export interface Starting {
  readonly main?: URL | undefined
  /** In milliseconds. */
  readonly patience?: number | undefined
  readonly settings?: SessionSettings | undefined
  /** Told what it runs by and why, where there was something to choose. */
  readonly told?: ((reason: string | undefined) => void) | undefined
  /** Of the runtime, as `process.versions` has them. */
  readonly versions?: Readonly<Record<string, string | undefined>> | undefined
}

export const start = (load: Load, events: SessionEvents, starting: Starting = {}): Session => {
  const barred = Platform.withoutPipe(starting.versions)
  if (barred !== undefined) return refused(barred, events)
  const module = fileURLToPath(starting.main ?? main)
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", module], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    // A user's own has the last word.
    env: { ...environment, ...process.env },
    windowsHide: true
  })
  const channel = child.stdio?.[3]
  if (!(channel instanceof Socket)) return notStarted(child, events)
  if (alive.size === 0) process.on("exit", killAll)
  alive.add(child)
  let state: "loading" | "ready" | "gone" = "loading"
  const pending: Array<{
    readonly number: number
    readonly picture: Picture
    readonly begun: () => void
    readonly done: (ending: Ending) => void
  }> = []
  let confidence: ConfidenceMap | undefined
  let printed = ""
  /** Pictures sent so far. */
  let sent = 0

  /** A program whose only business is an idle session may end. */
  const keepAlive = (yes: boolean) => {
    if (yes) {
      child.ref()
      channel.ref()
    } else {
      child.unref()
      channel.unref()
    }
  }
  const settle = (ending: Ending) => {
    const first = pending.shift()
    confidence = undefined
    if (pending.length === 0 && state === "ready") keepAlive(false)
    first?.done(ending)
  }
  const refuse = (problem: Unusable) => {
    clearTimeout(unanswered)
    state = "gone"
    child.kill("SIGKILL")
    events.unusable(problem)
    events.gone()
  }
  const limit = starting.patience ?? patience
  const unanswered = setTimeout(() => {
    if (state === "loading") refuse(Platform.silent(limit / 1000))
  }, limit)
  const end = (how: string) => {
    clearTimeout(unanswered)
    if (state === "gone") return
    const was = state
    state = "gone"
    const lines = printed.trim().split("\n")
    const last = (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? "").slice(0, 300)
    const detail = `the inference process ended (${how})${last === "" ? "" : `: ${last}`}`
    if (was === "loading") events.unusable({ reason: "model", detail })
    for (let inModel = true; pending.length > 0; inModel = false) settle({ _tag: "Died", detail, inModel })
    events.gone()
  }

  const take = (message: Frames.FromSession, body: ArrayBuffer): void => {
    switch (message.type) {
      case "loading":
        return clearTimeout(unanswered)
      case "ready":
        state = "ready"
        keepAlive(false)
        starting.told?.(message.reason)
        return events.ready()
      case "unusable":
        return refuse(message)
      case "begun":
        return pending.find(({ number }) => number === message.number)?.begun()
      case "failed":
        return settle({ _tag: "Failed", detail: message.detail })
      case "confidence": {
        const { height = 0, width = 0 } = pending[0]?.picture ?? {}
        confidence = { width, height, data: new Float32Array(body) }
        return
      }
      case "labels": {
        const { bytesPerId, height, ignoreIndex, milliseconds, scores, uncertainty, width } = message
        const Storage = bytesPerId === 1 ? Uint8Array : bytesPerId === 2 ? Uint16Array : Uint32Array
        const data = new Storage(body)
        const labelMap =
          ignoreIndex === undefined ? { width, height, data } : { width, height, data, ignoreIndex }
        return settle({
          _tag: "Done",
          outcome: {
            _tag: "Labels",
            labelMap,
            confidence,
            scores: new Map(scores),
            uncertainty,
            milliseconds
          }
        })
      }
      case "logits": {
        const { classes, height, milliseconds, width } = message
        const logits = { data: new Float32Array(body), classes, height, width }
        return settle({ _tag: "Done", outcome: { _tag: "Logits", logits, milliseconds } })
      }
    }
  }
  const reader = Frames.makeReader<Frames.FromSession>((message, bytes) =>
    Frames.collect(bytes, (body) => take(message, body))
  )

  channel.on("data", (chunk: Uint8Array) => {
    reader(chunk)
    release(chunk)
  })
  // A process that dies breaks its pipe; its end says why.
  channel.on("error", () => {})
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    printed = (printed + text).slice(-keptOutput)
  })
  if (child.stderr instanceof Socket) child.stderr.unref()
  child.on("error", (cause) => end(cause.message))
  child.on("exit", () => {
    alive.delete(child)
    if (alive.size === 0) process.off("exit", killAll)
  })
  // `close` and not `exit`: what it printed last has been read by then.
  child.on("close", (code, signal) => end(signal === null ? `exit code ${code}` : signal))

  const { expected, preprocessing, threads, weights } = load
  const file = weights._tag === "File" ? weights.path : undefined
  const bytes = weights._tag === "Bytes" ? weights.bytes : new Uint8Array()
  channel.cork()
  channel.write(
    Frames.head(
      { type: "load", version, file, threads, preprocessing, expected, settings: starting.settings ?? {} },
      bytes.length
    )
  )
  if (bytes.length > 0) channel.write(bytes)
  channel.uncork()
  return {
    pid: child.pid,
    room: () => (state === "ready" ? depth - pending.length : 0),
    predict: (picture, begun, done) => {
      const number = sent++
      pending.push({ number, picture, begun, done })
      keepAlive(true)
      const { data, ...rest } = picture
      channel.cork()
      channel.write(Frames.head({ type: "picture", ...rest }, data.length))
      channel.write(data)
      channel.uncork()
      return () => {
        if (state !== "gone") channel.write(Frames.head({ type: "cancel", number }))
      }
    },
    kill: () => {
      keepAlive(true)
      child.kill("SIGKILL")
    }
  }
}
