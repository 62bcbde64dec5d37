/** Pictures in base64, as services put them into JSON. Nothing here unpacks one: a page that only shows them needs no more. */
import { Effect } from "effect"
import * as ImageHeader from "../image/ImageHeader.ts"
import * as Base64 from "../service/Base64.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import type { ResponseNotDecodable } from "../service/ServiceError.ts"

export type Decoded<A> = Effect.Effect<A, ResponseNotDecodable>

/** Of a text that may be megabytes, what an error shows. */
const quote = (text: string) => JSON.stringify(text.slice(0, 200))

/** What is wrong with a field of an answer. */
export const fail = (answer: Answer, path: string, detail: string, quoted = "") =>
  Effect.fail(Decode.notDecodable(answer, path, detail, quoted))

/** Text that was made of base64 once more on its way: as Python prints bytes, with line breaks as signs, or escaped for an address. */
const unwrapped = (text: string): string =>
  text
    .replace(/^\s*b(['"])(.*)\1\s*$/s, "$2")
    .replaceAll(/\\[nr]/g, "")
    .replaceAll(/%(?:2b|2f|3d|0a|0d)/gi, decodeURIComponent)

const encodedIn = (text: string): string => text.slice(Base64.prefixLength(text))

/** The bytes of base64, bare or as a data URL. */
export const textToBytes = (answer: Answer, path: string, text: string): Decoded<Uint8Array> =>
  Effect.suspend(() => {
    if (Base64.prefixLength(text) === 0 && /^\s*data:/i.test(text)) {
      return fail(answer, path, "it is a data URL without base64", text.slice(0, 200))
    }
    const encoded = encodedIn(text)
    if (encoded === "") return fail(answer, path, "it is empty", quote(text))
    const bytes = Base64.decode(encoded) ?? Base64.decode(encodedIn(unwrapped(text)))
    return bytes === undefined ? fail(answer, path, "it is no base64", quote(text)) : Effect.succeed(bytes)
  })

/** Whether bytes are a PNG that is not cut off, going by its header and its chunks. */
export const isPng = (bytes: Uint8Array): boolean => otherThanPng(bytes) === undefined

/** What bytes are that are no whole PNG. */
const otherThanPng = (bytes: Uint8Array): string | undefined => {
  const header = ImageHeader.parse(bytes)
  if (header._tag !== "Known") return "no image"
  if (header.format !== "png") return `a ${header.format.toUpperCase()}`
  return ImageHeader.isWholePng(bytes) ? undefined : "a PNG that is cut off"
}

/** The bytes of a PNG in base64. */
export const textToPng = (answer: Answer, path: string, text: string): Decoded<Uint8Array> =>
  Effect.flatMap(textToBytes(answer, path, text), (bytes) => {
    const what = otherThanPng(bytes)
    return what === undefined
      ? Effect.succeed(bytes)
      : fail(answer, path, `it should be a PNG, but is ${what}`, quote(text))
  })
