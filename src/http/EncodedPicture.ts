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

/** The bytes of base64, bare or as a data URL. */
export const textToBytes = (answer: Answer, path: string, text: string): Decoded<Uint8Array> =>
  Effect.suspend(() => {
    const prefix = Base64.prefixLength(text)
    if (prefix === 0 && /^\s*data:/i.test(text)) {
      return fail(answer, path, "it is a data URL without base64", text.slice(0, 200))
    }
    const encoded = text.slice(prefix)
    const bytes = encoded === "" ? undefined : Base64.decode(encoded)
    return bytes === undefined
      ? fail(answer, path, encoded === "" ? "it is empty" : "it is no base64", quote(text))
      : Effect.succeed(bytes)
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
