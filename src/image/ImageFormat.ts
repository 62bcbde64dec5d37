/**
 * The types of image files there are: what each is called, begins with, and who makes pixels of it. One row a type, and
 * every list of types in this package is read from here.
 *
 * ```ts
 * import { ImageFormat } from "effect-segformer/image"
 *
 * ImageFormat.ofName("panels/left.TIF") // => "tiff"
 * ImageFormat.table.tiff.mediaType // => "image/tiff"
 * ```
 */
import type { Ascii } from "./HeaderFound.ts"

/** What is known of a type. */
export interface Row {
  /** As people write it. */
  readonly title: string
  /** Of file names, the usual one first. */
  readonly endings: readonly [string, ...ReadonlyArray<string>]
  readonly mediaType: string
  /** Whether a file that begins so is of this type. */
  readonly begins: (ascii: Ascii) => boolean
  /** Who makes pixels of it: `sharp` under the name it has there, or this package. */
  readonly decoder: { readonly sharp: string } | "ours" | { readonly none: string }
  /**
   * Whether a picture larger than memory can be read in windows: always, unless it is progressive or interlaced, or
   * never, so that its decoder holds all of it. What sharp does not decode cannot be.
   */
  readonly streams: "always" | "unless interlaced" | "never"
}

const rows = {
  png: {
    title: "PNG",
    endings: ["png", "apng"],
    mediaType: "image/png",
    begins: (ascii) => ascii(0, 8) === "\x89PNG\r\n\x1a\n",
    decoder: { sharp: "png" },
    streams: "unless interlaced"
  },
  jpeg: {
    title: "JPEG",
    endings: ["jpg", "jpeg", "jfif", "jpe", "jif"],
    mediaType: "image/jpeg",
    begins: (ascii) => ascii(0, 3) === "\xff\xd8\xff",
    decoder: { sharp: "jpeg" },
    streams: "unless interlaced"
  },
  webp: {
    title: "WebP",
    endings: ["webp"],
    mediaType: "image/webp",
    begins: (ascii) => ascii(0, 4) === "RIFF" && ascii(8, 4) === "WEBP",
    decoder: { sharp: "webp" },
    streams: "never"
  },
  gif: {
    title: "GIF",
    endings: ["gif"],
    mediaType: "image/gif",
    begins: (ascii) => /^GIF8[79]a/.test(ascii(0, 6)),
    decoder: { sharp: "gif" },
    streams: "never"
  },
  bmp: {
    title: "BMP",
    endings: ["bmp", "dib"],
    mediaType: "image/bmp",
    begins: (ascii) => ascii(0, 2) === "BM",
    decoder: "ours",
    streams: "never"
  },
  tiff: {
    title: "TIFF",
    endings: ["tif", "tiff", "btf", "tf8"],
    mediaType: "image/tiff",
    // BigTIFF has 43 where TIFF has 42.
    begins: (ascii) => /^(II[*+]\0|MM\0[*+])/.test(ascii(0, 4)),
    decoder: { sharp: "tiff" },
    streams: "always"
  },
  avif: {
    title: "AVIF",
    endings: ["avif", "avifs"],
    mediaType: "image/avif",
    begins: (ascii) => /avi[fs]/.test(brands(ascii)),
    // Of the family of HEIF, of which the usual build of sharp decodes nothing else.
    decoder: { sharp: "heif" },
    streams: "never"
  },
  heif: {
    title: "HEIC",
    endings: ["heic", "heif", "hif"],
    mediaType: "image/heif",
    begins: (ascii) => /hei[cxmsf]|hev[cx]|mif1/.test(brands(ascii)),
    decoder: {
      none: "the usual build of sharp has no decoder for HEIC (patents). Convert it to JPEG or AVIF"
    },
    streams: "never"
  }
} as const satisfies Readonly<Record<string, Row>>

/** What the `ftyp` box of an ISO media file says that it holds. */
const brands = (ascii: Ascii): string => {
  if (ascii(4, 4) !== "ftyp") return ""
  const length = Array.from(ascii(0, 4)).reduce((all, sign) => all * 256 + sign.charCodeAt(0), 0)
  return ascii(8, Math.max(0, Math.min(length, 64) - 8))
}

export type ImageFormat = keyof typeof rows

/** The facts of each type. */
export const table: Readonly<Record<ImageFormat, Row>> = rows

const isFormat = (name: string): name is ImageFormat => Object.hasOwn(rows, name)

/** All types. Where bytes would do for two, the first is meant. */
export const names: ReadonlyArray<ImageFormat> = Object.keys(rows).filter(isFormat)

/** The endings of all of these types. */
export const endings = (formats: Iterable<ImageFormat> = names): ReadonlyArray<string> =>
  Array.from(formats).flatMap((name) => table[name].endings)

/** The type that a file is of by its name. */
export const ofName = (path: string): ImageFormat | undefined => {
  const ending = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase()
  return ending === undefined ? undefined : names.find((name) => table[name].endings.includes(ending))
}

/** The first type that sharp calls so. */
export const ofSharp = (sharp: string): ImageFormat | undefined =>
  names.find((name) => sharpName(name) === sharp)

const sharpName = (name: ImageFormat): string | undefined => {
  const { decoder } = table[name]
  return typeof decoder === "object" && "sharp" in decoder ? decoder.sharp : undefined
}

/** What sharp decodes. */
export const bySharp: ReadonlyArray<ImageFormat> = names.filter((name) => sharpName(name) !== undefined)

/** A list for people: "PNG, JPEG and WebP". */
export const list = (words: ReadonlyArray<string>, last: "and" | "or"): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)!}`
