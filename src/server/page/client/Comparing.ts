/** What is shown beside a result: the picture alone, another model's result, or the truth; and how far they agree. */
import { type Model, segment } from "./Api.ts"
import * as Compare from "./Compare.ts"
import * as ComparePanel from "./ComparePanel.ts"
import { byId, h } from "./Dom.ts"
import type { Picture } from "./Gallery.ts"
import { labelOf } from "./Models.ts"
import * as Notices from "./Notices.ts"
import { type Result, unpack } from "./Result.ts"
import type { Stage } from "./Stage.ts"
import * as Truth from "./Truth.ts"

export interface ComparingOptions {
  readonly stage: Stage
  readonly shown: () => { readonly picture: Picture; readonly result: Result } | undefined
  readonly models: () => ReadonlyArray<Model>
  readonly onCompare: (other: Result | undefined) => void
  readonly onFail: (error: unknown, again: () => void) => void
}

export interface Comparing {
  /** Fills the choice with what there is. */
  readonly offer: () => void
  readonly truth: (file: File) => Promise<void>
  /** Ends what is under way; whether anything was. */
  readonly cancel: () => boolean
  /** What is on the right, for a picture of it. */
  readonly beside: () => { readonly from: number; readonly result: Result | undefined } | undefined
  readonly clear: () => void
}

interface Second {
  readonly result: Result
  readonly truth: Truth.Truth | undefined
}

export const make = ({ models, onCompare, onFail, shown, stage }: ComparingOptions): Comparing => {
  const select = byId("compare", HTMLSelectElement)
  const as = byId("compare-as", HTMLSelectElement)
  const asTool = byId("compare-as-tool", HTMLDivElement)
  const agreed = byId("agreement", HTMLParagraphElement)
  const input = byId("truth", HTMLInputElement)
  const sides = [byId("side-left", HTMLSpanElement), byId("side-right", HTMLSpanElement)] as const
  const pairs = new Map<string, string>()
  let second: Second | undefined
  let onRight: Result | "picture" | undefined
  let running: AbortController | undefined

  const begin = () => {
    running?.abort()
    running = new AbortController()
    return running.signal
  }

  const put = (other: Result | "picture" | undefined) => {
    onRight = other
    stage.sideBySide(as.value === "beside")
    stage.other(other)
    const [left, right] = sides
    left.hidden = right.hidden = other === undefined
    left.textContent = shown()?.result.model ?? ""
    right.textContent = typeof other === "object" ? other.model : "The picture alone"
    const label = `Divider between ${left.textContent} and ${right.textContent}`
    byId("divider", HTMLDivElement).setAttribute("aria-label", label)
  }

  const nothing = () => {
    second = undefined
    agreed.hidden = true
    asTool.hidden = true
    ComparePanel.clear()
    put(undefined)
    onCompare(undefined)
  }

  /** Compares what is there, by the names that were paired. */
  const compare = async (): Promise<void> => {
    const first = shown()?.result
    if (second === undefined || first === undefined) return
    const { result, truth } = second
    const signal = begin()
    const twins = Compare.twins(first.classes, result.classes, pairs)
    const other = Compare.aligned(first, result, twins)
    const found = await Compare.difference(first, other, truth?.ignored, signal)
    if (found === undefined || signal.aborted) return
    const compared: ComparePanel.Compared = {
      first: first.classes,
      twins,
      confusion: found.confusion,
      isTruth: truth !== undefined,
      notes: truth?.notes ?? []
    }
    asTool.hidden = false
    put(as.value === "difference" ? Compare.shown(first, found) : other)
    onCompare(truth === undefined ? other : undefined)
    agreed.hidden = false
    agreed.textContent = ComparePanel.sentenceOf(compared)
    Notices.say(agreed.textContent)
    ComparePanel.show(compared, {
      onPair: (name, of) => {
        pairs.set(name, of)
        void compare()
      },
      onFault: (fault) => stage.fly(fault)
    })
    const worst = await Compare.faults(found, first, 20, signal)
    if (!signal.aborted) ComparePanel.faults(worst, (fault) => stage.fly(fault))
  }

  /** Another model, with the same picture; what it found before is not asked for again. */
  const ask = async (name: string): Promise<void> => {
    const now = shown()
    if (now === undefined) return
    const signal = begin()
    const known = now.picture.results.get(name)
    if (known === undefined) Notices.begin(`Segmenting with ${name}`)
    try {
      const packed = known ?? (await segment(now.picture.file, name, signal))
      if (signal.aborted) return
      now.picture.results.set(name, packed)
      Notices.end()
      second = { result: await unpack(packed), truth: undefined }
      await compare()
    } catch (error) {
      if (signal.aborted) return
      Notices.end()
      select.value = ""
      nothing()
      onFail(error, () => {
        select.value = `model:${name}`
        void ask(name)
      })
    }
  }

  const truth = async (file: File): Promise<void> => {
    const now = shown()
    if (now === undefined) return
    Notices.dismiss("image")
    try {
      const classes = models().find(({ name }) => name === now.result.model)?.classes ?? []
      const read = await Truth.read(file, now.result, classes)
      select.value = "truth"
      second = { result: read.result, truth: read }
      await compare()
    } catch (error) {
      select.value = ""
      nothing()
      onFail(error, () => void truth(file))
    }
  }

  const choose = (): void => {
    running?.abort()
    Notices.end()
    const { value } = select
    if (value.startsWith("model:")) void ask(value.slice("model:".length))
    else if (value === "truth") {
      if (second?.truth === undefined) select.value = ""
      input.click()
    } else {
      nothing()
      if (value === "picture") {
        asTool.hidden = true
        put("picture")
      }
    }
  }

  select.addEventListener("change", choose)
  as.addEventListener("change", () => void compare())
  input.addEventListener("change", () => {
    const file = input.files?.[0]
    input.value = ""
    if (file !== undefined) void truth(file)
  })

  return {
    offer: () => {
      const result = shown()?.result
      if (result === undefined) return
      const { value } = select
      select.replaceChildren(
        h("option", { value: "" }, "Nothing"),
        h("option", { value: "picture" }, "The picture alone"),
        h("option", { value: "truth" }, "A mask of what is true…"),
        ...models()
          .filter(({ name }) => name !== result.model)
          .map((one) => h("option", { value: `model:${one.name}` }, labelOf(one)))
      )
      select.value = second === undefined ? "" : value
    },
    truth,
    cancel: () => {
      const isRunning = running !== undefined && !running.signal.aborted && second === undefined
      running?.abort()
      if (isRunning) {
        select.value = ""
        nothing()
      }
      return isRunning && select.value === "" && shown() !== undefined
    },
    beside: () =>
      onRight === undefined || as.value === "beside"
        ? undefined
        : { from: stage.divider(), result: typeof onRight === "object" ? onRight : undefined },
    clear: () => {
      running?.abort()
      running = undefined
      pairs.clear()
      second = undefined
      select.value = ""
      nothing()
    }
  }
}
