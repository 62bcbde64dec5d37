/**
 * Either worker of a session in WebAssembly, as it is told: one runs the model (`ModelRunner`), and this one turns pictures into
 * what it takes and what it gives into label maps meanwhile. It is a module of its own, which `WebRuntime` starts twice and a
 * bundler finds by its address.
 */
import * as BackgroundWorker from "../../BackgroundWorker.ts"
import * as Pipeline from "../session/Pipeline.ts"
import type { Outcome, Picture } from "../session/Session.ts"
import * as ModelRunner from "./ModelRunner.ts"
import type { FromModel, FromWorker, ToModel, ToWorker } from "./Wire.ts"
import { lineOf } from "../../SystemError.ts"

let pipeline: Pipeline.Pipeline | undefined

/** What is not answered, by its number: it is given back where the model is gone. */
const open = new Map<number, Picture>()
let came = 0

/** What is handed over and not copied. */
const buffersOf = (outcome: Outcome): ReadonlyArray<ArrayBuffer> =>
  (outcome._tag === "Logits"
    ? [outcome.logits.data.buffer]
    : [outcome.labelMap.data.buffer, outcome.confidence?.data.buffer]
  ).filter((buffer) => buffer instanceof ArrayBuffer)

const startAround = async (
  { port, settings }: Extract<ToWorker, { type: "around" }>,
  tell: (told: FromWorker, transfer?: BackgroundWorker.HandedOver) => void
): Promise<void> => {
  const waiting: Array<{ readonly begun: () => void; readonly done: (told: FromModel) => void }> = []
  const next = (begun = () => {}) => new Promise<FromModel>((done) => waiting.push({ begun, done }))
  const first = next()
  const send = BackgroundWorker.over<FromModel>(port, (told) =>
    told.type === "begun" ? waiting[0]?.begun() : waiting.shift()?.done(told)
  )
  const loaded = await first
  if (loaded.type !== "loaded") throw new Error("the model did not say that it is loaded")
  const run: Pipeline.Model["run"] = async ({ data, height, width }, number, begun) => {
    const given = next(begun)
    const asked: ToModel = { type: "run", number, data, height, width }
    send(asked, data.buffer instanceof ArrayBuffer ? [data.buffer] : [])
    const answer = await given
    if (answer.type === "output") return answer
    throw new Error(answer.type === "failed" ? answer.detail : "the model did not run")
  }
  const cancel = (number: number) => send({ type: "cancel", number } satisfies ToModel)
  const { height, reason, width } = loaded
  pipeline = await Pipeline.start({ height, width, run, cancel }, settings, {
    begun: (number) => tell({ type: "begun", number }),
    done: (outcome, number) => {
      tell({ type: "done", outcome }, buffersOf(outcome))
      open.delete(number)
    },
    failed: (detail, number) => {
      tell({ type: "failed", detail })
      open.delete(number)
    }
  })
  tell({ type: "ready", reason })
}

BackgroundWorker.serve<ToWorker>(BackgroundWorker.modules.model, (message, post) => {
  const tell = (told: FromWorker, transfer?: BackgroundWorker.HandedOver) => post(told, transfer)
  switch (message.type) {
    case "model":
      return void ModelRunner.serve(message.load, message.port, post)
    case "around":
      return void startAround(message, tell).catch((cause: unknown) =>
        tell({ type: "unusable", reason: "model", detail: lineOf(cause) })
      )
    case "picture": {
      const { data, ...picture } = message.picture
      open.set(came++, message.picture)
      const input = pipeline?.open(picture)
      input?.push(data)
      return input?.end()
    }
    case "cancel":
      return pipeline?.cancel(message.number)
    case "giveBack":
      return tell(
        { type: "back", pictures: open },
        [...open.values()].flatMap(({ data: { buffer } }) => (buffer instanceof ArrayBuffer ? [buffer] : []))
      )
  }
})
