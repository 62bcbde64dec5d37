/**
 * A prediction as bytes, but for what is of one request (its id, how long it took): the length of a head, the head as JSON, and then the arrays that it names, one after the other. Bytes
 * that are none, or of another version, are nothing: an image is then predicted anew.
 */
import { Bytes, Result, Schema } from "effect"
import * as ConfidenceMap from "../mask/ConfidenceMap.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Logits from "../mask/Logits.ts"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import type { Prediction } from "../Prediction.ts"

const { Finite, Int, optional } = Schema
const Point = Schema.Struct({ x: Finite, y: Finite })
const Region = Schema.Struct({
  classId: Int,
  className: Schema.String,
  box: Schema.Struct({ x: Finite, y: Finite, width: Finite, height: Finite }),
  centroid: Point,
  area: Finite,
  touchesBorder: optional(Schema.Boolean),
  meanConfidence: optional(Finite),
  perimeter: Finite,
  majorAxis: Finite,
  minorAxis: Finite,
  circularity: Finite,
  aspectRatio: Finite,
  orientation: optional(Finite),
  solidity: optional(Finite)
})
const Class = Schema.Struct({
  id: Int,
  name: Schema.String,
  color: optional(Schema.Tuple([Finite, Finite, Finite]))
})
const Common = {
  version: Schema.Literal(2),
  classes: Schema.Array(Class),
  scores: optional(Schema.Array(Schema.Tuple([Finite, Finite]))),
  regions: optional(Schema.Array(Region)),
  pictures: optional(Schema.Array(Schema.Literals(["overlay", "combined", "mask"]))),
  input: optional(Schema.Struct({ width: Finite, height: Finite })),
  width: Int,
  height: Int
}
const Head = Schema.Union([
  Schema.Struct({ ...Common, _tag: Schema.tag("Logits"), channels: Int }),
  Schema.Struct({
    ...Common,
    _tag: Schema.tag("Labels"),
    bits: Schema.Literals([8, 16, 32]),
    ignoreIndex: optional(Int),
    confidence: optional(Schema.Struct({ width: Int, height: Int })),
    uncertainty: optional(Schema.Struct({ entropy: Finite, margin: Finite, unsure: Finite }))
  }),
  Schema.Struct({ ...Common, _tag: Schema.tag("Rendered") })
])
const fromJson = Schema.decodeUnknownResult(Schema.fromJsonString(Head))
const toJson = Schema.encodeResult(Schema.fromJsonString(Head))

const names = ["overlay", "combined", "mask"] as const

/** As bytes, with those of numbers in the order of this machine's processor, as every one that runs this has it. */
const bytesOf = (data: ArrayBufferView): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** Nothing where it holds what no JSON can say, such as a score that is no number. */
export const encode = (prediction: Prediction): Uint8Array | undefined => {
  const { input, pictures } = prediction
  const shown = names.filter((name) => pictures?.[name] !== undefined)
  const common = {
    version: 2 as const,
    classes: prediction.classes,
    scores: prediction.scores && [...prediction.scores],
    regions: prediction.regions,
    pictures: pictures && shown,
    input
  }
  const parts: Array<Uint8Array> = []
  const head = (): typeof Head.Type => {
    switch (prediction._tag) {
      case "Logits": {
        const { classes, data, height, width } = prediction.logits
        parts.push(bytesOf(data))
        return { ...common, _tag: "Logits", width, height, channels: classes }
      }
      case "Labels": {
        const { confidence, labelMap, uncertainty } = prediction
        const { data, height, ignoreIndex, width } = labelMap
        parts.push(bytesOf(data))
        if (confidence !== undefined) parts.push(bytesOf(confidence.data))
        const bits = data instanceof Uint8Array ? 8 : data instanceof Uint16Array ? 16 : 32
        const size = confidence && { width: confidence.width, height: confidence.height }
        return { ...common, _tag: "Labels", width, height, bits, ignoreIndex, confidence: size, uncertainty }
      }
      case "Rendered":
        return { ...common, _tag: "Rendered", width: prediction.width, height: prediction.height }
    }
  }
  const json = Result.getOrUndefined(toJson(head()))
  if (json === undefined) return undefined
  const text = new TextEncoder().encode(json)
  // The sizes of pictures stand before them.
  for (const name of shown) {
    const bytes = pictures?.[name] ?? new Uint8Array()
    parts.push(bytesOf(Uint32Array.of(bytes.length)), bytes)
  }
  return Bytes.concat([bytesOf(Uint32Array.of(text.length)), text, ...parts])
}

/** What was kept, with arrays of its own; `undefined` where it is no prediction. */
export const decode = (bytes: Uint8Array): Prediction | undefined => {
  let at = 0
  /** A copy, since an array of numbers must begin where its numbers can. */
  const take = (length: number): Uint8Array<ArrayBuffer> => {
    const part = Uint8Array.from(bytes.subarray(at, at + length))
    at += length
    return part
  }
  const size = (): number => new DataView(take(4).buffer).getUint32(0, true)
  try {
    const head = Result.getOrUndefined(fromJson(new TextDecoder().decode(take(size()))))
    if (head === undefined) return undefined
    const { classes, height, input, regions, scores, width } = head
    const arrays = () => {
      if (head._tag !== "Labels") return undefined
      const { bits, confidence: sure, ignoreIndex, uncertainty } = head
      const raw = take((width * height * bits) / 8).buffer
      const data =
        bits === 8 ? new Uint8Array(raw) : bits === 16 ? new Uint16Array(raw) : new Uint32Array(raw)
      const map = { width, height, data, ...(ignoreIndex === undefined ? {} : { ignoreIndex }) }
      const labelMap = Result.getOrThrow(LabelMap.make(map))
      const values = sure && new Float32Array(take(sure.width * sure.height * 4).buffer)
      const confidence = values && Result.getOrThrow(ConfidenceMap.make({ ...sure, data: values }))
      return omitUndefined({ labelMap, confidence, uncertainty })
    }
    const labels = arrays()
    const logits =
      head._tag === "Logits"
        ? Result.getOrThrow(
            Logits.make({
              width,
              height,
              classes: head.channels,
              data: new Float32Array(take(width * height * head.channels * 4).buffer)
            })
          )
        : undefined
    const pictures = head.pictures && Object.fromEntries(head.pictures.map((name) => [name, take(size())]))
    if (at !== bytes.length) return undefined
    const common = omitUndefined({ classes, scores: scores && new Map(scores), regions, pictures, input })
    if (logits !== undefined) return { _tag: "Logits", ...common, logits }
    if (labels !== undefined) return { _tag: "Labels", ...common, ...labels }
    return { _tag: "Rendered", ...common, width, height }
  } catch {
    return undefined
  }
}
