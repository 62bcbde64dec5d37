/** The page: what it shows now, and what each event makes of it. */
import { Failure, type Model, models as listModels, segment, token } from "./Api.ts"
import * as CodePanel from "./CodePanel.ts"
import { byId, h } from "./Dom.ts"
import * as Downloads from "./Downloads.ts"
import * as Intake from "./Intake.ts"
import * as Notices from "./Notices.ts"
import { agreement } from "./Overlay.ts"
import * as Picture from "./Picture.ts"
import * as Pill from "./Pill.ts"
import type { Result } from "./Result.ts"
import * as Stage from "./Stage.ts"
import * as Tables from "./Tables.ts"
import { counted, percent, seconds, sentence } from "./Text.ts"
import * as TokenDialog from "./TokenDialog.ts"

const empty = byId("empty", HTMLElement)
const work = byId("work", HTMLElement)
const waiting = byId("waiting", HTMLDivElement)
const details = byId("details", HTMLDivElement)
const tools = byId("tools", HTMLDivElement)
const title = byId("work-title", HTMLHeadingElement)
const meta = byId("work-meta", HTMLParagraphElement)
const model = byId("model", HTMLSelectElement)
const compare = byId("compare", HTMLSelectElement)
const opacity = byId("opacity", HTMLInputElement)
const newImage = byId("again", HTMLButtonElement)
const showAll = byId("all", HTMLButtonElement)

let models: ReadonlyArray<Model> = []
let file: File | undefined
let result: Result | undefined
let other: Stage.Other
let picked: Tables.Target | undefined
/** Ends what is under way. */
let running = new AbortController()

/** Ends what was under way before, and gives what ends this. */
const begin = (what: string): AbortSignal => {
  running.abort()
  running = new AbortController()
  Notices.begin(what)
  return running.signal
}

/** Says why something failed. A token is asked for where one is missing, and then it is tried again. */
const fail = async (error: unknown, again: () => void): Promise<void> => {
  if (error instanceof Failure && error.status === 401 && (await TokenDialog.ask())) return again()
  // An image that is refused for what it is will be refused again.
  const isFinal = error instanceof Failure && [400, 413, 415, 422].includes(error.status)
  Notices.warn(sentence(error instanceof Error ? error.message : String(error)), isFinal ? undefined : again)
}

/** How much the rest darkens beside what was picked, and beside what is only pointed at. */
const veils = { picked: 0.65, pointed: 0.45 }

const emphasize = (target: Tables.Target | undefined, veil: number): void =>
  stage.emphasis(target && { className: target.className, box: target.region?.box, veil })

/** Shows a class or region alone; picked once more, everything. */
const pick = (target: Tables.Target | undefined): void => {
  picked = Tables.isSame(target, picked) ? undefined : target
  showAll.hidden = picked === undefined
  tables.mark(picked)
  emphasize(picked, veils.picked)
  const { className, region } = picked ?? {}
  const what = region === undefined ? className : `region ${region.id}, ${className}`
  Notices.say(what === undefined ? "All classes are shown" : `Only ${what} is shown`)
}

const stage = Stage.make({
  onRead: (reading, by) => {
    if (reading === undefined || result === undefined) return Pill.hide()
    Pill.show(reading, result)
    if (by === "keys") Notices.say(`${Pill.words(reading)}, at ${reading.x}, ${reading.y}`)
  },
  onPick: ({ className }) => pick({ className })
})

const tables = Tables.make({
  onHover: (target) =>
    target === undefined ? emphasize(picked, veils.picked) : emphasize(target, veils.pointed),
  onPick: pick
})

/** Shows an image at once, and what is on it as soon as that is known. */
const open = async (next: File): Promise<void> => {
  const isFocusLost = empty.contains(document.activeElement)
  reset()
  file = next
  empty.hidden = true
  work.hidden = newImage.hidden = false
  title.textContent = next.name
  meta.textContent = ""
  document.title = `${next.name} – SegFormer`
  if (isFocusLost) title.focus()
  const ended = begin(model.value === "" ? "Segmenting" : `Segmenting with ${model.value}`)
  try {
    const [picture, found] = await Promise.all([preview(next, ended), segment(next, model.value, ended)])
    if (ended.aborted) return
    // The size is the server's word: it turns pictures as their files say.
    stage.picture(picture, found.width, found.height)
    show(found, picture !== undefined)
  } catch (error) {
    if (ended.aborted) return
    home()
    await fail(error, () => void open(next))
  }
}

/** The picture, shown before anything is known of it. */
const preview = async (next: File, ended: AbortSignal): Promise<ImageBitmap | undefined> => {
  const picture = await Picture.open(next)
  if (picture === undefined || ended.aborted) {
    picture?.bitmap.close()
    return undefined
  }
  stage.picture(picture.bitmap, picture.width, picture.height)
  return picture.bitmap
}

const show = (found: Result, isVisible: boolean): void => {
  Notices.end()
  result = found
  stage.opacity(visibility())
  stage.result(found)
  tables.show(found, undefined)
  const about = `${found.width} × ${found.height} · ${found.model} · ${seconds(found.seconds)}`
  meta.textContent = isVisible
    ? about
    : `${about}. This browser cannot show the picture itself, only what is on it.`
  waiting.hidden = true
  details.hidden = tools.hidden = false
  compare.replaceChildren(
    h("option", { value: "" }, "Nothing"),
    h("option", { value: "picture" }, "The picture alone"),
    ...models
      .filter(({ name }) => name !== found.model)
      .map((one) => h("option", { value: `model:${one.name}` }, labelOf(one)))
  )
  CodePanel.show({
    origin: location.origin,
    model: found.model,
    file: file?.name ?? "image",
    token: token.get() !== ""
  })
  const [largest] = found.classes
  const most = largest === undefined ? "" : `, most of it ${largest.name}, ${percent(largest.share)}`
  const classes = counted(found.classes.length, "class", "classes")
  Notices.say(`Done: ${classes} and ${counted(found.regionsTotal, "region", "regions")}${most}`)
}

/** Frees what belongs to the picture shown. */
const reset = (): void => {
  running.abort()
  Notices.end()
  Notices.dismiss()
  Pill.hide()
  stage.clear()
  tables.clear()
  file = result = other = picked = undefined
  compare.value = ""
  sides()
  waiting.hidden = false
  details.hidden = tools.hidden = showAll.hidden = true
}

/** Back to the start, where there is nothing to show. */
const home = (): void => {
  reset()
  empty.hidden = false
  work.hidden = newImage.hidden = true
  document.title = "SegFormer"
  byId("choose", HTMLButtonElement).focus()
}

const labelOf = ({ isService, name }: Model): string => (isService ? `${name} (service)` : name)

/** Of the overlay, 0 to 1. */
const visibility = (): number => Number(opacity.value) / 100

/** What is on the right of the divider, from here on. */
const against = (next: Stage.Other): void => {
  other = next
  stage.other(next)
  if (result !== undefined) tables.show(result, typeof next === "object" ? next : undefined)
  sides()
}

/** Says which side is whose, and how far two models agree. */
const sides = (): void => {
  const [left, right] = [byId("side-left", HTMLSpanElement), byId("side-right", HTMLSpanElement)]
  const agreed = byId("agreement", HTMLParagraphElement)
  const share = result !== undefined && typeof other === "object" ? agreement(result, other) : undefined
  left.hidden = right.hidden = other === undefined
  left.textContent = result?.model ?? ""
  right.textContent = typeof other === "object" ? other.model : "The picture alone"
  const label = `Divider between ${left.textContent} and ${right.textContent}`
  byId("divider", HTMLDivElement).setAttribute("aria-label", label)
  agreed.hidden = share === undefined
  agreed.textContent = share === undefined ? "" : `They agree on ${percent(share)} of the pixels`
  if (share !== undefined) Notices.say(agreed.textContent)
}

/** Compares with what is chosen. */
const choose = async (): Promise<void> => {
  const { value } = compare
  running.abort()
  Notices.end()
  if (!value.startsWith("model:") || file === undefined) {
    return against(value === "picture" ? "picture" : undefined)
  }
  const name = value.slice("model:".length)
  const ended = begin(`Segmenting with ${name}`)
  try {
    const found = await segment(file, name, ended)
    if (ended.aborted) return
    Notices.end()
    against(found)
  } catch (error) {
    if (ended.aborted) return
    compareWithNothing()
    await fail(error, () => {
      compare.value = value
      void choose()
    })
  }
}

const compareWithNothing = (): void => {
  compare.value = ""
  void choose()
}

/** Does something that may fail, and may then be tried again. */
const attempt = async (work: () => Promise<void>): Promise<void> => {
  try {
    await work()
  } catch (error) {
    await fail(error, () => void attempt(work))
  }
}

const download = (name: string, save: () => Promise<void>): Promise<void> =>
  attempt(async () => {
    Notices.say(`Making the ${name} file`)
    await save()
    Notices.say(`The ${name} file is downloaded`)
  })

const sample = (): Promise<void> => attempt(async () => open(await Picture.sample()))

const start = (): Promise<void> =>
  attempt(async () => {
    models = await listModels()
    model.replaceChildren(...models.map((one) => h("option", { value: one.name }, labelOf(one))))
    model.value = models.find(({ isDefault }) => isDefault)?.name ?? ""
    model.disabled = models.length < 2
  })

Intake.listen({ onFile: (next) => void open(next), onNothing: Notices.warn })
Notices.listen(() => (result === undefined ? home() : compareWithNothing()))
Downloads.listen(() => file && result && { file, result, opacity: visibility() }, download)
TokenDialog.listen()
CodePanel.listen()
byId("sample", HTMLButtonElement).addEventListener("click", () => void sample())
showAll.addEventListener("click", () => pick(undefined))
model.addEventListener("change", () => file && void open(file))
compare.addEventListener("change", () => void choose())
opacity.addEventListener("input", () => {
  byId("opacity-value", HTMLOutputElement).textContent = `${opacity.value} %`
  stage.opacity(visibility())
})
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && picked !== undefined && !TokenDialog.isOpen()) pick(undefined)
})
void start()
