/**
 * What stands around a model, wherever it runs: pictures become what it takes, it runs on one after the other, and what it gives
 * is read. A run holds its thread up from start to end, so the model has one of its own: meanwhile the next picture is
 * prepared here, and the last one read. No Effect here: a session starts sooner without it.
 */
import * as Preprocessing from "../../image/Preprocessing.ts"
import type { Scratch } from "../../image/Resample.ts"
import * as Graph from "./Graph.ts"
import { release } from "../../mask/Grid.ts"
import { logitsOf, type Output, read } from "./Output.ts"
import type { Expected, Outcome, Picture } from "./Session.ts"
import { lineOf } from "../../SystemError.ts"

/** `input` is the storage of what was run, to be used again where it costs nothing to hand it back. */
type Ran = Output & { readonly input?: Float32Array | undefined }

/** A model that is loaded in another thread. */
export interface Model extends Pick<Graph.Graph, "height" | "width"> {
  /** Asked for ahead, and done in that order, one at a time; `begun` is told when it begins. */
  readonly run: (input: Preprocessing.Input, number: number, begun: () => void) => Promise<Ran>
  /** Fails what it has not begun with. */
  readonly cancel: (number: number) => void
}

/** Runs one after the other, and none that nobody waits for when its turn has come: `turn` is done then. */
export const inTurn = <Asked, Given>(
  run: (asked: Asked) => Promise<Given>,
  turn: (free: Promise<unknown>) => Promise<unknown> = (free) => free
) => {
  const waiting = new Set<number>()
  let free: Promise<unknown> = Promise.resolve()
  return {
    run: (asked: Asked, number: number, begun: () => void): Promise<Given> => {
      waiting.add(number)
      const running = turn(free).then(() => {
        if (!waiting.delete(number)) throw new Error("nobody waits for it any more")
        begun()
        return run(asked)
      })
      free = running.catch(() => {})
      // Who waits for its turn has it before what was given is read.
      return free.then(() => running)
    },
    cancel: (number: number): void => void waiting.delete(number)
  }
}

export interface Settings {
  readonly preprocessing: Preprocessing.Preprocessing
  readonly expected: Expected
}

/** What becomes of pictures, which are counted from 0 in the order in which they come. */
export interface Events {
  /** The model has begun with it. */
  readonly begun: (number: number) => void
  /** In the order of the pictures, as failures are. */
  readonly done: (outcome: Outcome, number: number) => void
  readonly failed: (detail: string, number: number) => void
}

export interface Pipeline {
  /** The next picture: takes its pixels, `[height, width, 3]`, as they come. */
  readonly open: (picture: Omit<Picture, "data">) => {
    readonly push: (chunk: Uint8Array) => void
    readonly end: () => void
  }
  /** Nobody waits for the picture of this number any more: where the model has not begun with it, it never does. */
  readonly cancel: (number: number) => void
}

/** The number of a trial. */
const noPicture = -1

/** Done when the model is warm. Fails where it cannot do with what its settings say. */
export const start = async (model: Model, settings: Settings, events: Events): Promise<Pipeline> => {
  const { expected } = settings
  const preprocessing = Graph.settle(settings.preprocessing, model)
  await Graph.tried(model, preprocessing, async (width, height) => {
    const data = new Float32Array(3 * width * height)
    const output = await model.run({ data, width, height, place: undefined }, noPicture, () => {})
    read(output, { width: 2, height: 2, confidence: false }, expected, { width, height })
  })

  /** Pictures come whole, one after the other, so that they can share it. */
  const scratch: Scratch = { bytes: new Uint8Array() }
  /** Storage for the next input: that of one which the model is done with. */
  let spare: Float32Array | undefined
  /** Pictures that have come. */
  let came = 0
  /** Done when what came before is answered. */
  let told: Promise<unknown> = Promise.resolve()

  /** Its output is read when the model is at the next one. */
  const predict = async (
    number: number,
    picture: Omit<Picture, "data">,
    finish: (storage: Float32Array | undefined) => Preprocessing.Input,
    started: number
  ): Promise<Outcome> => {
    const storage = spare
    spare = undefined
    const input = finish(storage)
    const { input: used, ...output } = await model.run(input, number, () => events.begun(number))
    spare = used
    const milliseconds = () => performance.now() - started
    const logits = picture.logits === true ? logitsOf(output, expected, input) : undefined
    if (logits !== undefined) return { _tag: "Logits", logits, milliseconds: milliseconds() }
    const { confidence, labels, scores, uncertainty } = read(output, picture, expected, input)
    // Class ids of 8 bits at the picture's size are the labels themselves.
    if (ArrayBuffer.isView(output.data) && output.data.buffer !== labels.data.buffer) release(output.data)
    const { height, width } = picture
    return {
      _tag: "Labels",
      labelMap: labels,
      confidence: confidence && { width, height, data: confidence },
      scores: new Map(scores),
      uncertainty,
      milliseconds: milliseconds()
    }
  }

  const answer = (number: number, outcome: Promise<Outcome>): void => {
    told = Promise.allSettled([outcome, told])
      .then(([found]) => {
        if (found.status === "rejected") throw found.reason
        events.done(found.value, number)
      })
      .catch((cause: unknown) => events.failed(lineOf(cause), number))
  }

  return {
    open: (picture) => {
      const started = performance.now()
      const number = came++
      try {
        const { finish, push } = Preprocessing.make(preprocessing, picture.width, picture.height, scratch)
        return { push, end: () => answer(number, predict(number, picture, finish, started)) }
      } catch (cause) {
        return { push: () => {}, end: () => answer(number, Promise.reject(cause)) }
      }
    },
    cancel: model.cancel
  }
}
