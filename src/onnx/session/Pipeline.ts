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

/** A model that is loaded in another thread. */
export interface Model extends Pick<Graph.Graph, "height" | "width"> {
  /** One at a time. `input` is the storage of what was run, to be used again. */
  readonly run: (input: Preprocessing.Input) => Promise<Output & { readonly input: Float32Array }>
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

/** Done when the model is warm. Fails where it cannot do with what its settings say. */
export const start = async (model: Model, settings: Settings, events: Events): Promise<Pipeline> => {
  const { expected } = settings
  const preprocessing = Graph.settle(settings.preprocessing, model)
  await Graph.tried(model, preprocessing, async (width, height) => {
    const data = new Float32Array(3 * width * height)
    const output = await model.run({ data, width, height, place: undefined })
    read(output, { width: 2, height: 2, confidence: false }, expected, { width, height })
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
  /** Done when what came before is answered. */
  let told: Promise<unknown> = Promise.resolve()

  const run = async (input: Preprocessing.Input, number: number): Promise<Output> => {
    if (cancelled.has(number)) throw new Error("nobody waits for it any more")
    events.begun(number)
    const { input: used, ...output } = await model.run(input)
    spare = used
    return output
  }

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
    const running = free.then(() => run(input, number))
    const over = running.catch(() => {})
    free = over
    const output = await running
    // Who waited for it before this does is given to the model first.
    await over
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
        answered++
        cancelled.delete(number)
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
    cancel: (number) => {
      if (number >= answered) cancelled.add(number)
    }
  }
}
