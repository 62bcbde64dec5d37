/**
 * JPEG by MozJPEG in WebAssembly (`@jsquash/jpeg`), which is the decoder of libvips and gives its pixels. What it cannot bring
 * to sRGB (CMYK, colour profiles with tables) is refused and not guessed.
 */
import { isFrame, nextMarker } from "../CommonHeaders.ts"
import { isLost } from "./Coding.ts"
import { broken, Problem, unsupported } from "./Decoding.ts"
import { lineOf } from "../../SystemError.ts"
import * as IccProfile from "./IccProfile.ts"
import type { Pixels } from "./Pixels.ts"
import type { Raster } from "../Raster.ts"

const isNode = typeof process === "object" && typeof process.getBuiltinModule === "function"

/** What the decoder has warned of: the first warning of each picture. */
let warnings = ""

const silent = {
  print: () => {},
  printErr: (line: string) => {
    warnings += line
  }
}

/** Where it is a file it is read: `fetch` of Node takes no such address. */
const moduleOptions = async (specifier: string) => {
  if (!isNode) return silent
  const { readFile } = process.getBuiltinModule("node:fs/promises")
  const wasm = new Uint8Array(await readFile(new URL(import.meta.resolve(specifier))))
  return { ...silent, wasmBinary: wasm.buffer }
}

const missing = (cause: unknown): Problem => new Problem("missing", lineOf(cause))

/** Loaded once; a failure is not kept. */
const once = <A>(load: () => Promise<A>): (() => Promise<A>) => {
  let made: Promise<A> | undefined
  return () =>
    (made ??= load().catch((cause: unknown) => {
      made = undefined
      throw missing(cause)
    }))
}

const decoder = once(async () => {
  const { default: decode, init } = await import("@jsquash/jpeg/decode.js")
  await init(await moduleOptions("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm"))
  return decode
})

const encoder = once(async () => {
  const { default: encode, init } = await import("@jsquash/jpeg/encode.js")
  await init(await moduleOptions("@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm"))
  return encode
})

interface Facts {
  readonly components: number
  /** The low byte of its start-of-frame marker. */
  readonly frame: number
  readonly profile: Uint8Array | undefined
  /** Where the picture's own data begins. */
  readonly start: number
}

/** A profile from its parts by their numbers, from 1. As libvips has it, one of which a part is missing is none. */
const joined = (parts: ReadonlyMap<number, Uint8Array>): Uint8Array | undefined => {
  const all: Array<number> = []
  for (let number = 1; number <= parts.size; number++) {
    const part = parts.get(number)
    if (part === undefined) return undefined
    for (const byte of part) all.push(byte)
  }
  return all.length === 0 ? undefined : Uint8Array.from(all)
}

/** What stands before the pixels. */
const look = (bytes: Uint8Array): Facts | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts = new Map<number, Uint8Array>()
  let found: Pick<Facts, "components" | "frame"> | undefined
  for (let at = nextMarker(view, 2); at !== undefined;) {
    const marker = view.getUint8(at)
    const length = view.getUint16(at + 1)
    const body = bytes.subarray(at + 3, at + 1 + length)
    if (marker === 0xda) {
      return found && { ...found, profile: joined(parts), start: at }
    }
    if (isFrame(marker)) found = { components: body[5] ?? 0, frame: marker }
    if (marker === 0xe2 && String.fromCharCode(...body.subarray(0, 11)) === "ICC_PROFILE") {
      const number = body[12] ?? 0
      if (number > 0) parts.set(number, body.subarray(14))
    }
    at = nextMarker(view, at + 1 + length)
  }
  return undefined
}

/** Whether the marker of the end comes behind the data: a thumbnail in the metadata has one, too. */
const isWhole = (bytes: Uint8Array, start: number): boolean => {
  for (let at = bytes.length - 2; at > start; at--)
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true
  return false
}

/** Refuses what has four inks: browsers turn them to red, green and blue each in its own way, 40 steps apart. */
export const refuseCmyk = (bytes: Uint8Array): void => {
  if (look(bytes)?.components === 4)
    throw unsupported("it is CMYK, which is not read here. Convert it to sRGB")
}

export const decode = async (bytes: Uint8Array): Promise<Pixels> => {
  const facts = look(bytes)
  if (facts === undefined) throw broken("it has no frame before its pixels")
  const { components, frame, profile, start } = facts
  if (frame > 0xc2) throw unsupported(`it is compressed in a way (SOF${frame - 0xc0}) that is not read here`)
  refuseCmyk(bytes)
  if (!isWhole(bytes, start)) throw broken("it ends before its picture does")
  const convert =
    profile === undefined ? undefined : IccProfile.conversion(profile, components === 1 ? "GRAY" : "RGB ")
  if (typeof convert === "object") throw unsupported(convert.unread)
  const run = await decoder()
  // The decoder takes a buffer from its start, and a `Buffer` of Node is a part of one even when it is sliced.
  const { buffer } = Uint8Array.from(bytes)
  warnings = ""
  const { data, height, width } = await run(buffer, { preserveOrientation: false }).catch(
    (cause: unknown) => {
      throw broken(`it cannot be decoded (${cause instanceof Error ? lineOf(cause) : "MozJPEG gave it up"})`)
    }
  )
  if (isLost(warnings)) throw broken(`a part of it is lost (${warnings})`)
  const pixels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  convert?.(pixels, 4)
  return { width, height, channels: 4, data: pixels }
}

/** An RGBA picture. */
export const encode = async (raster: Raster, quality: number): Promise<Uint8Array> => {
  const run = await encoder()
  const { data, height, width } = raster
  const pixels = Uint8ClampedArray.from(data)
  return new Uint8Array(await run({ data: pixels, width, height, colorSpace: "srgb" }, { quality }))
}
