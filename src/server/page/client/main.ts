/** The page: what it shows now, and what each event makes of it. */
import { token } from "./Api.ts"
import { Failure } from "./Failure.ts"
import * as Address from "./Address.ts"
import * as Appearance from "./Appearance.ts"
import * as Bitmap from "./Bitmap.ts"
import * as CodePanel from "./CodePanel.ts"
import * as Comparing from "./Comparing.ts"
import { byId } from "./Dom.ts"
import * as Downloads from "./Downloads.ts"
import * as Gallery from "./Gallery.ts"
import * as Intake from "./Intake.ts"
import * as Models from "./Models.ts"
import * as Notices from "./Notices.ts"
import * as Picking from "./Picking.ts"
import * as Picture from "./Picture.ts"
import * as Pill from "./Pill.ts"
import { type Packed, type Result, unpack } from "./Result.ts"
import * as Server from "./Server.ts"
import * as Sources from "./Sources.ts"
import * as Stage from "./Stage.ts"
import * as Strip from "./Strip.ts"
import * as Summary from "./Summary.ts"
import * as Sureness from "./Sureness.ts"
import * as Tables from "./Tables.ts"
import { counted } from "./Text.ts"
import * as TokenDialog from "./TokenDialog.ts"
import * as Tools from "./Tools.ts"
import { attempt, fail } from "./Trying.ts"
import * as Words from "./Words.ts"

const empty = byId("empty", HTMLElement)
const work = byId("work", HTMLElement)
const waiting = byId("waiting", HTMLDivElement)
const details = byId("details", HTMLDivElement)
const tools = byId("tools", HTMLDivElement)
const title = byId("work-title", HTMLHeadingElement)
const meta = byId("work-meta", HTMLParagraphElement)
const newImage = byId("again", HTMLButtonElement)

/** Whose result is shown, and what it is. */
let shown: { readonly picture: Gallery.Picture; readonly result: Result } | undefined
/** Shown as soon as its result is there; until then, what is shown stays. */
let wanted: Gallery.Picture | undefined
/** Ends what belongs to the picture shown. */
let ended = new AbortController()
let sureness: Sureness.Sureness | undefined
/** Pictures for which there was no room any more. */
let dropped = 0

const stage = Stage.make({
  onRead: (reading, by) => {
    if (reading === undefined || shown === undefined) {
      Pill.hide()
      if (by !== "keys") Tools.read(undefined)
      return
    }
    Pill.show(reading, stage.onScreen({ x: reading.x + 0.5, y: reading.y + 0.5 }))
    if (by === "touch") Tools.read(reading)
    if (by !== "pointer") Notices.say(`${Pill.words(reading)}, at ${reading.x}, ${reading.y}`)
  },
  onPick: ({ className }) => picking.pick({ className }),
  onView: () => {
    Pill.hide()
    Tools.zoomed(stage.view().scale)
    address.note()
  },
  onMeasure: Tools.measured
})

const tables = Tables.make({
  onHover: (target) => picking.point(target),
  onPick: (target) => picking.pick(target),
  onLook: () => stage.looks(Appearance.look)
})

const picking = Picking.make({
  stage,
  result: () => shown?.result,
  onChange: (target) => {
    tables.mark(target)
    Tools.picked(target)
    address.note()
  }
})

const comparing = Comparing.make({
  stage,
  shown: () => shown,
  models: Models.all,
  onCompare: (other) => shown && tables.show(shown.result, other),
  onFail: (error, again) => void fail(error, "image", again)
})

const gallery: Gallery.Gallery = Gallery.make({
  onChange: () => {
    strip.show(wanted ?? shown?.picture)
    Summary.show(gallery.pictures(), choose)
    byId("download-all-label", HTMLLabelElement).hidden = gallery.pictures().length < 2
  },
  onBegin: (picture) => {
    const more = gallery.pictures().filter(({ state }) => state === "waiting").length
    const left = more === 0 ? "" : `, ${more} more to come`
    const by = picture.model === "" ? "" : ` with ${picture.model}`
    Notices.begin(`Segmenting ${picture.file.name}${by}${left}`)
  },
  onDone: (picture, result) => {
    Notices.end()
    Notices.dismiss("image")
    if (wanted === picture || (wanted === undefined && shown === undefined)) show(picture, result)
  },
  onFail: (picture, error) => {
    Notices.end()
    void failed(picture, error)
  },
  onDrop: ({ file }) => {
    dropped++
    const others = dropped === 1 ? "" : ` and ${counted(dropped - 1, "other", "others")}`
    Notices.warn("room", `The newest pictures are kept, as far as there is room: ${file.name}${others} went.`)
  },
  onWait: (picture, wait, why) => Notices.begin(`${why} ${picture.file.name} is sent again in`, wait)
})

const strip = Strip.make(
  () => gallery,
  (picture) => choose(picture),
  (picture) => {
    gallery.remove(picture)
    if (picture === shown?.picture || picture === wanted) next()
  }
)

/** One picture of many that fails says so in the strip; what was waited for says so aloud. */
const failed = async (picture: Gallery.Picture, error: unknown): Promise<void> => {
  if (picture !== wanted && gallery.pictures().length > 1 && shown !== undefined) return
  wanted = undefined
  const asked = picture.model
  if (shown === undefined) home()
  else Models.choose(shown.result.model)
  strip.show(shown?.picture)
  if (error instanceof Failure && error.status === 413) {
    Notices.warn("image", error.message, {
      name: "Send a smaller copy",
      act: () => void sendSmaller(picture)
    })
    return
  }
  await fail(error, "image", () => {
    wanted = picture
    gallery.ask(picture, asked)
  })
}

const sendSmaller = async (picture: Gallery.Picture): Promise<void> => {
  const copy = await Picture.smaller(picture.file)
  if (copy === undefined) {
    Notices.warn("image", `This browser cannot read ${picture.file.name}, so it cannot make it smaller.`)
    return
  }
  gallery.remove(picture)
  open([copy])
}

/** Takes images in. The first of them is shown as soon as it is done. */
const open = (files: ReadonlyArray<File>): void => {
  Notices.dismiss("image")
  const [first] = gallery.add(files, Models.chosen())
  if (first !== undefined) void preview(first)
}

/** What is waited for. The first picture is shown before anything is known of it. */
const preview = async (picture: Gallery.Picture): Promise<void> => {
  wanted = picture
  strip.show(picture)
  if (shown !== undefined) return
  const isFocusLost = empty.contains(document.activeElement)
  empty.hidden = true
  work.hidden = newImage.hidden = false
  waiting.hidden = false
  details.hidden = tools.hidden = true
  title.textContent = picture.file.name
  meta.textContent = ""
  document.title = `${picture.file.name} – SegFormer`
  if (isFocusLost) title.focus()
  const found = await Picture.open(picture.file, Bitmap.own)
  if (shown !== undefined || wanted !== picture) return found?.bitmap.close()
  if (found !== undefined) stage.picture(found.bitmap, picture.file, found)
}

/** What is picked in the strip: at once where it is done. */
const choose = (picture: Gallery.Picture): void => {
  Notices.dismiss("image")
  const result = picture.results.get(picture.model)
  if (result !== undefined && picture.state === "done") return show(picture, result)
  const ask = () => {
    wanted = picture
    strip.show(picture)
    gallery.ask(picture, picture.model)
  }
  if (picture.state !== "failed") return ask()
  // What is looked at stays, here as in the strip.
  Notices.warn("image", `${picture.file.name}: ${picture.problem ?? "it failed."}`, {
    name: "Try again",
    act: ask
  })
}

const show = (picture: Gallery.Picture, packed: Packed): void => {
  wanted = picture
  shows(picture, packed).catch((error: unknown) => failed(picture, error))
}

const shows = async (picture: Gallery.Picture, packed: Packed): Promise<void> => {
  const isFocusLost = empty.contains(document.activeElement)
  const [result, found] = await Promise.all([unpack(packed), Picture.open(picture.file)])
  // Another was wanted meanwhile.
  if (wanted !== picture) return found?.bitmap.close()
  const isSame = shown?.picture === picture
  const view = isSame ? stage.view() : undefined
  forget()
  wanted = undefined
  shown = { picture, result }
  empty.hidden = true
  work.hidden = newImage.hidden = false
  title.textContent = picture.file.name
  document.title = `${picture.file.name} – SegFormer`
  Models.choose(result.model)
  if (isFocusLost) title.focus()
  // The size is the server's word: it turns pictures as their files say.
  stage.picture(found?.bitmap, picture.file, { width: result.width, height: result.height })
  stage.opacity(Tools.opacity())
  stage.looks(Appearance.look)
  stage.result(result)
  tables.show(result, undefined)
  if (view !== undefined) stage.show(view)
  meta.textContent = Words.about(result, found?.bitmap)
  waiting.hidden = true
  details.hidden = tools.hidden = false
  comparing.offer()
  Tools.show(result)
  CodePanel.show({
    origin: Server.isLocal ? undefined : new URL(".", location.href).href.replace(/\/$/, ""),
    model: result.model,
    file: picture.file.name,
    token: token.get() !== ""
  })
  strip.show(picture)
  Notices.say(Words.found(result))
  address.restore(result)
  const signal = ended.signal
  const known = await Sureness.make(result, signal)
  if (!signal.aborted) {
    sureness = known
    sure()
  }
}

/** Frees what belongs to the picture shown. */
const forget = (): void => {
  ended.abort()
  ended = new AbortController()
  sureness = undefined
  Pill.hide()
  picking.clear()
  comparing.clear()
  stage.clear()
  tables.clear()
  Tools.clear()
  shown = undefined
}

/** Back to the start, where there is nothing to show. */
const home = (): void => {
  forget()
  wanted = undefined
  empty.hidden = false
  work.hidden = newImage.hidden = true
  document.title = "SegFormer"
  address.clear()
  strip.show(undefined)
  byId("choose", HTMLButtonElement).focus()
}

/** What is shown in place of a picture that is gone. */
const next = (): void => {
  const last = gallery.pictures().findLast(({ state }) => state === "done")
  if (last === undefined) home()
  else choose(last)
}

/** Ends what is under way; what was shown is shown again. */
const cancel = (): void => {
  if (!Notices.isBusy()) return
  Notices.end()
  Notices.say("Cancelled")
  if (comparing.cancel()) return
  const working = gallery.pictures().find(({ state }) => state === "working")
  if (working !== undefined) gallery.cancel(working)
  wanted = undefined
  if (shown === undefined) home()
  else {
    Models.choose(shown.result.model)
    strip.show(shown.picture)
    title.focus()
  }
}

/** Shares at the least confidence that is wanted. */
const sure = (): void => {
  const least = Tools.least()
  stage.least(least)
  if (sureness === undefined || least === 0) return tables.shares(undefined, 0)
  const { shares, unsure } = sureness.at(least)
  tables.shares(shares, unsure)
}

const address = Address.make({
  stage,
  picking: () => picking,
  pictures: gallery.pictures,
  shown: () => shown?.picture,
  onOpen: choose,
  onStart: home
})

Intake.listen({
  onFiles: open,
  onLoad: (load) => void attempt("image", load),
  onTruth: (file) => void comparing.truth(file),
  onNothing: (text) => Notices.warn("image", text),
  onMore: (most) =>
    Notices.warn("room", `The first ${most} images are taken, and there are more: drop the rest by itself.`),
  takesTruth: () => shown !== undefined
})
Notices.listen(cancel)
Downloads.listen({
  sources: (all, part) =>
    Sources.of({
      shown,
      pictures: all ? gallery.pictures() : undefined,
      part: part ? picking.part : undefined,
      emphasis: picking.emphasis,
      beside: comparing.beside
    }),
  summary: () => Summary.csv(gallery.pictures()),
  during: (name, make) =>
    attempt("file", async () => {
      Notices.say(`Making the ${name} file`)
      await make(Notices.say)
      Notices.say(`The ${name} file is downloaded`)
    })
})
Tools.listen({
  stage,
  onOpacity: () => stage.opacity(Tools.opacity()),
  onLeast: sure,
  onStep: (by) => picking.step(by),
  onPick: ({ className }) => picking.pick({ className }),
  onAll: () => picking.pick(undefined),
  onLink: address.write,
  region: picking.mask
})
TokenDialog.listen()
CodePanel.listen()
byId("clear-history", HTMLButtonElement).addEventListener("click", () => {
  gallery.clear()
  Notices.end()
  home()
  Notices.say("All pictures are forgotten")
})
byId("palette", HTMLButtonElement).addEventListener("click", () => {
  if (shown !== undefined) Downloads.save(Appearance.palette(shown.result.classes), "palette.json")
})
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || TokenDialog.isOpen()) return
  if (Notices.isBusy()) cancel()
  else if (picking.picked() !== undefined) picking.pick(undefined)
})
Models.listen({
  shown: () => shown?.result.model,
  onList: () => comparing.offer(),
  onRefuse: (error, again) => void fail(error, "models", again),
  onChoose: () => {
    const picture = wanted ?? shown?.picture
    if (picture === undefined) return
    const known = picture.results.get(Models.chosen())
    wanted = picture
    if (known === undefined) gallery.ask(picture, Models.chosen())
    else {
      picture.model = Models.chosen()
      show(picture, known)
    }
  }
})
void gallery.restore().then(() => {
  if (wanted !== undefined || shown !== undefined || address.open()) return
  const first = gallery.pictures().find(({ state }) => state === "waiting" || state === "working")
  if (first !== undefined) void preview(first)
})
