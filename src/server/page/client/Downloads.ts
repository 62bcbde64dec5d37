/** Results as files: some the page has, the others the server makes. */
import { convert } from "./Api.ts"
import { byId, h } from "./Dom.ts"
import { fields } from "./Fields.ts"
import * as Picture from "./Picture.ts"
import type { Result } from "./Result.ts"

export interface Shown {
  readonly file: File
  readonly result: Result
  readonly opacity: number
}

interface Format {
  readonly name: string
  readonly title: string
  /** What comes after the image's name. */
  readonly ending: string
  readonly make: (shown: Shown) => Promise<Blob>
}

/** What the server makes: it tells the page when it serves it. */
const exported = (): ReadonlyArray<Format> => {
  const told: unknown = JSON.parse(document.documentElement.dataset["formats"] ?? "[]")
  return fields({ formats: told }, "the page").list("formats", (one) => {
    const accept = one.string("mediaType")
    return {
      name: one.string("title"),
      title: one.string("description"),
      ending: one.string("ending"),
      make: ({ file, result }) => convert(file, result.model, accept)
    }
  })
}

const formats: ReadonlyArray<Format> = [
  {
    name: "Picture",
    title: "The picture with its overlay, as PNG",
    ending: "overlay.png",
    make: ({ file, opacity, result }) => Picture.withOverlay(file, result, opacity)
  },
  {
    name: "JSON",
    title: "Classes and regions, as the server's API gives them",
    ending: "json",
    make: ({ result }) => Promise.resolve(new Blob([JSON.stringify(result.json, null, 2)]))
  },
  ...exported()
]

/** Makes the buttons. `during` shows that a file is made, and what went wrong. */
export const listen = (
  shown: () => Shown | undefined,
  during: (name: string, work: () => Promise<void>) => Promise<void>
): void => {
  const buttons = formats.map(({ ending, make, name, title }) => {
    const button = h("button", { class: "button small", type: "button", title }, name)
    button.addEventListener("click", async () => {
      const now = shown()
      if (now === undefined) return
      button.disabled = true
      await during(name, async () => save(await make(now), `${stem(now.file.name)}.${ending}`))
      button.disabled = false
      button.focus()
    })
    return button
  })
  byId("downloads", HTMLDivElement).replaceChildren(...buttons)
}

const stem = (name: string): string => name.replace(/\.[^.]*$/, "") || "image"

const save = (blob: Blob, name: string): void => {
  const url = URL.createObjectURL(blob)
  h("a", { href: url, download: name }).click()
  // A download that has begun keeps what it needs.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
