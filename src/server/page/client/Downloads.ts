/**
 * Results as files, from what is there: no picture is sent or segmented a second time. All of it or what is shown, of one
 * picture or of all.
 */
import { convert, type ModelClass } from "./Api.ts"
import * as Appearance from "./Appearance.ts"
import { byId, h } from "./Dom.ts"
import { fields } from "./Fields.ts"
import type { Part } from "./Part.ts"
import type { Packed, PackedPlane, Result } from "./Result.ts"
import { pack, unpack } from "./Result.ts"
import * as Saving from "./Saving.ts"
import * as Zip from "./Zip.ts"

/** What a file is made of. */
export interface Source {
  readonly file: File
  readonly result: Packed
  /** All classes that the model tells apart, found or not: some files list them. */
  readonly table: ReadonlyArray<ModelClass>
  /** How the picture is painted. */
  readonly painting: Saving.Painting
  /** The part that is shown, where it is wanted alone: pixels outside are background. */
  readonly part: ((result: Result, table: ReadonlyArray<ModelClass>) => Part) | undefined
}

export interface DownloadEvents {
  /** What is there; of all pictures where that is wanted. */
  readonly sources: (all: boolean, part: boolean) => ReadonlyArray<Source>
  /** A table over all pictures. */
  readonly summary: () => Blob
  /** Shows that a file is made, and what went wrong. */
  readonly during: (name: string, work: (told: (text: string) => void) => Promise<void>) => Promise<void>
}

interface Format {
  readonly name: string
  readonly title: string
  /** What comes after the image's name. */
  readonly ending: string
  readonly make: (source: Source) => Promise<Blob>
}

/** What the server makes of a label map: it tells the page when it serves it. */
const exported = (): ReadonlyArray<Format> => {
  const told: unknown = JSON.parse(document.documentElement.dataset["formats"] ?? "[]")
  return fields({ formats: told }, "the page").list("formats", (one) => {
    const accept = one.string("mediaType")
    const tellsRegions = one.boolean("regions")
    return {
      name: one.string("title"),
      title: one.string("description"),
      ending: one.string("ending"),
      make: async (source) => convert(await body(source, tellsRegions), accept)
    }
  })
}

/** The confidence of each pixel goes with it where the format says how sure each region is. */
const body = async ({ file, part, result, table }: Source, tellsRegions: boolean): Promise<unknown> => {
  const of = part?.(await unpack(result), table)
  const labels = of === undefined ? result.packed.labels : await pack(of.labels)
  const found = of?.classes ?? result.classes
  const others = of === undefined ? table.filter(({ id }) => found.every((one) => one.id !== id)) : []
  return {
    image: file.name,
    model: result.model,
    classes: [
      ...found.map(({ confidence, id, name, paint }) => ({ id, name, color: paint, confidence })),
      ...others.map(({ color, id, name }) => ({ id, name, color }))
    ].map((one) => ({ ...one, color: Appearance.of(one.name).color ?? one.color })),
    labels: { ...base64Of(labels), bits: labels.bits },
    ...(tellsRegions && isSure(result) ? { confidence: base64Of(result.packed.confidence) } : {})
  }
}

/** Whether it has the confidence of each pixel of its labels. */
const isSure = (
  result: Packed
): result is Packed & { readonly packed: { readonly confidence: PackedPlane } } => {
  const { confidence, labels } = result.packed
  return confidence?.width === labels.width && confidence.height === labels.height
}

const base64Of = ({ deflate, height, width }: PackedPlane) => ({
  width,
  height,
  deflate: toBase64(deflate)
})

/** The platform's own where it has one. */
const toBase64 = (bytes: Uint8Array): string => {
  if ("toBase64" in bytes && typeof bytes.toBase64 === "function") return bytes.toBase64()
  let text = ""
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  }
  return btoa(text)
}

const json = async ({ part, result, table }: Source): Promise<Blob> => {
  const whole: unknown = result.json
  if (part === undefined || typeof whole !== "object" || whole === null) {
    return new Blob([JSON.stringify(whole, null, 2)])
  }
  const { classes, regions } = part(await unpack(result), table)
  const has = (list: unknown, keep: (one: object) => boolean) =>
    Array.isArray(list)
      ? list.filter((one: unknown) => typeof one === "object" && one !== null && keep(one))
      : []
  const shown = {
    ...whole,
    classes: has(Reflect.get(whole, "classes"), (one) =>
      classes.some(({ id }) => id === Reflect.get(one, "id"))
    ),
    regions: has(Reflect.get(whole, "regions"), (one) =>
      regions.some(({ id }) => id === Reflect.get(one, "id"))
    )
  }
  return new Blob([JSON.stringify({ ...shown, regionsTotal: shown.regions.length }, null, 2)])
}

const formats: ReadonlyArray<Format> = [
  {
    name: "Picture",
    title: "The picture as it is shown, whole and at its own size, as PNG",
    ending: "overlay.png",
    make: async ({ file, painting, result }) => Saving.png(file, result, painting)
  },
  {
    name: "JSON",
    title: "Classes and regions, as the server's API gives them",
    ending: "json",
    make: json
  },
  ...exported()
]

/** Makes the buttons. */
export const listen = ({ during, sources, summary }: DownloadEvents): void => {
  const shownOnly = byId("download-shown", HTMLInputElement)
  const ofAll = byId("download-all", HTMLInputElement)
  const buttons = formats.map((format) => {
    const { name, title } = format
    const button = h("button", { class: "button small", type: "button", title }, name)
    button.addEventListener("click", async () => {
      const wanted = sources(ofAll.checked, shownOnly.checked)
      if (wanted.length === 0) return
      button.disabled = true
      await during(name, async (told) => {
        if (!ofAll.checked) {
          for (const one of wanted) save(await format.make(one), `${stem(one.file.name)}.${format.ending}`)
          return
        }
        const entries: Array<Zip.Entry> = [{ name: "pictures.csv", content: summary() }]
        for (const [at, one] of wanted.entries()) {
          told(`Making file ${at + 1} of ${wanted.length}`)
          const entry = `${stem(one.file.name)}.${format.ending}`
          entries.push({ name: entry, content: await format.make(one) })
        }
        save(await Zip.make(entries), `pictures.${format.ending.replaceAll(".", "-")}.zip`)
      })
      button.disabled = false
      button.focus()
    })
    return button
  })
  byId("downloads", HTMLDivElement).replaceChildren(...buttons)
}

const stem = (name: string): string => name.replace(/\.[^.]*$/, "") || "image"

export const save = (blob: Blob, name: string): void => {
  const url = URL.createObjectURL(blob)
  h("a", { href: url, download: name }).click()
  // A download that has begun keeps what it needs.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
