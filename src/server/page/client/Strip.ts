/** The pictures as a strip of small ones, each with its state. Arrow keys go from one to the next, as in a list. */
import * as Bitmap from "./Bitmap.ts"
import { byId, h } from "./Dom.ts"
import type { Gallery, Picture, State } from "./Gallery.ts"
import * as Rows from "./Rows.ts"

export interface Strip {
  readonly show: (shown: Picture | undefined) => void
}

const words: Readonly<Record<State, string>> = {
  waiting: "waiting",
  working: "being segmented",
  done: "done",
  failed: "failed"
}

const side = 144

export const make = (
  gallery: () => Gallery,
  onPick: (picture: Picture) => void,
  onRemove: (picture: Picture) => void
): Strip => {
  const section = byId("strip", HTMLElement)
  const list = byId("pictures", HTMLUListElement)
  const cells = new Map<
    Picture,
    { readonly item: HTMLLIElement; readonly button: HTMLButtonElement; readonly image: HTMLImageElement }
  >()
  const urls = new Map<Picture, string>()
  /** The browser alone cannot show them. Once it is known that they are images, the server is asked. */
  const unread = new Set<Picture>()

  /** Small ones are made one at a time: decoding a large picture takes memory. */
  let drawing: Promise<void> = Promise.resolve()
  const thumbnail = (picture: Picture, image: HTMLImageElement) => {
    drawing = drawing.then(async () => {
      if (!cells.has(picture) || urls.has(picture)) return
      const isDone = picture.state === "done"
      if (!isDone) unread.add(picture)
      const url = await small(picture.file, isDone ? Bitmap.open : Bitmap.own)
      if (url === undefined || !cells.has(picture)) return
      unread.delete(picture)
      urls.set(picture, url)
      image.src = url
    })
  }

  const cell = (picture: Picture) => {
    const image = h("img", { alt: "", width: "72", height: "54" })
    const button = h(
      "button",
      { type: "button", class: "thumb", tabindex: "-1" },
      image,
      h("span", { class: "badge" })
    )
    const away = h(
      "button",
      { type: "button", class: "away", tabindex: "-1", "aria-label": `Remove ${picture.file.name}` },
      "×"
    )
    button.addEventListener("click", () => onPick(picture))
    away.addEventListener("click", () => onRemove(picture))
    const item = h("li", {}, button, away)
    const made = { item, button, image }
    cells.set(picture, made)
    thumbnail(picture, image)
    return made
  }

  list.addEventListener("keydown", (event) => {
    const buttons = [...list.querySelectorAll<HTMLButtonElement>(".thumb")]
    const at = buttons.findIndex((one) => one === document.activeElement)
    if (event.key === "Delete" && at >= 0) {
      const picture = gallery().pictures()[at]
      if (picture === undefined) return
      onRemove(picture)
      list.querySelectorAll<HTMLButtonElement>(".thumb")[Math.max(0, at - 1)]?.focus()
      return
    }
    Rows.step(event, buttons, at, ["ArrowLeft", "ArrowRight"])
  })

  return {
    show: (shown) => {
      const pictures = gallery().pictures()
      section.hidden = pictures.length === 0 || (pictures.length === 1 && pictures[0] === shown)
      for (const [picture, { item }] of cells) {
        if (pictures.includes(picture)) continue
        item.remove()
        cells.delete(picture)
        const url = urls.get(picture)
        if (url !== undefined) URL.revokeObjectURL(url)
        urls.delete(picture)
        unread.delete(picture)
      }
      pictures.forEach((picture, at) => {
        const { button, image, item } = cells.get(picture) ?? cell(picture)
        if (picture.state === "done" && unread.delete(picture)) thumbnail(picture, image)
        if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null)
        const name = picture.file.name
        const state = picture.problem ?? words[picture.state]
        button.setAttribute("aria-label", `${name}, ${state}`)
        button.title = picture.state === "done" ? name : `${name}: ${state}`
        button.dataset["state"] = picture.state
        if (picture === shown) button.setAttribute("aria-current", "true")
        else button.removeAttribute("aria-current")
        button.tabIndex = picture === (shown ?? pictures[0]) ? 0 : -1
      })
    }
  }
}

const small = async (file: Blob, read: typeof Bitmap.open): Promise<string | undefined> => {
  try {
    const whole = await read(file)
    if (whole === undefined) return undefined
    const scale = Math.min(1, side / Math.min(whole.width, whole.height))
    const canvas = new OffscreenCanvas(
      Math.max(1, Math.round(whole.width * scale)),
      Math.max(1, Math.round(whole.height * scale))
    )
    canvas.getContext("2d")?.drawImage(whole, 0, 0, canvas.width, canvas.height)
    whole.close()
    return URL.createObjectURL(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.7 }))
  } catch {
    return undefined
  }
}
