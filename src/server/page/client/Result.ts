/** A segmentation as `/v1/segment` answers it, with its label map and confidences unpacked. */
import { type Fields, fields, NotAsAgreed } from "./Fields.ts"

export interface Class {
  readonly id: number
  readonly name: string
  /** `#rrggbb`; `undefined` for what is left of an image, which is not coloured. */
  readonly color: string | undefined
}

/** A class that the image has. */
export interface FoundClass extends Class {
  readonly pixels: number
  /** Of all pixels, 0 to 1. */
  readonly share: number
  readonly confidence: number | null
}

export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface Region {
  /** Its place in the server's list. */
  readonly id: number
  readonly className: string
  /** In pixels. */
  readonly area: number
  readonly box: Box
  readonly confidence: number | null
}

/** A value for each pixel, row-major. */
export interface Plane {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array | Uint16Array
}

export interface Result {
  readonly model: string
  readonly width: number
  readonly height: number
  readonly seconds: number
  /** Largest first. */
  readonly classes: ReadonlyArray<FoundClass>
  /** Largest first, at most 1,000, without the background's. */
  readonly regions: ReadonlyArray<Region>
  readonly regionsTotal: number
  /** Class ids. */
  readonly labels: Plane
  /** 0 to 255 for 0 to 1, where the model gives any. */
  readonly confidence: Plane | undefined
  /** The answer as it came, without the two planes: what is saved as JSON. */
  readonly json: unknown
}

const classOf = (of: Fields): Class => {
  const name = of.string("name")
  return { id: of.number("id"), name, color: isBackground(name) ? undefined : of.string("color") }
}

const isBackground = (name: string): boolean => /^(?:background|void|unlabell?ed|unknown)$/i.test(name)

export const decode = async (answer: unknown): Promise<Result> => {
  const of = fields(answer)
  const planes = new Set(["labels", "confidence"])
  const confidence = of.optional("confidence")
  const regions = of.list("regions", regionOf)
  const shown = regions.filter(({ className }) => !isBackground(className))
  return {
    model: of.string("model"),
    width: of.number("width"),
    height: of.number("height"),
    seconds: of.number("seconds"),
    classes: of.list("classes", (one) => ({
      ...classOf(one),
      pixels: one.number("pixels"),
      share: one.number("share"),
      confidence: one.numberOrNull("confidence")
    })),
    regions: shown,
    regionsTotal: of.number("regionsTotal") - (regions.length - shown.length),
    labels: await planeOf(of.object("labels"), of.object("labels").number("bits")),
    confidence: confidence === undefined ? undefined : await planeOf(confidence, 8),
    json:
      typeof answer === "object" && answer !== null
        ? Object.fromEntries(Object.entries(answer).filter(([name]) => !planes.has(name)))
        : answer
  }
}

const regionOf = (of: Fields): Region => ({
  id: of.number("id"),
  className: of.string("class"),
  area: of.number("area"),
  box: boxOf(of.object("boundingBox")),
  confidence: of.numberOrNull("confidence")
})

const boxOf = (of: Fields): Box => ({
  x: of.number("x"),
  y: of.number("y"),
  width: of.number("width"),
  height: of.number("height")
})

const planeOf = async (of: Fields, bits: number): Promise<Plane> => {
  const width = of.number("width")
  const height = of.number("height")
  const bytes = await inflate(of.string("deflate"))
  if ((bits !== 8 && bits !== 16) || bytes.length !== (width * height * bits) / 8) {
    throw new NotAsAgreed(
      `A map of ${width} x ${height} pixels of ${bits} bits came with ${bytes.length} bytes`
    )
  }
  return { width, height, data: bits === 16 ? new Uint16Array(bytes.buffer) : bytes }
}

const inflate = async (base64: string): Promise<Uint8Array<ArrayBuffer>> => {
  const packed = new Blob([fromBase64(base64)]).stream()
  return new Uint8Array(
    await new Response(packed.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer()
  )
}

/** The platform's own where it has one: many times faster on a megabyte. */
const fromBase64 = (text: string): Uint8Array<ArrayBuffer> => {
  if (Object.hasOwn(Uint8Array, "fromBase64")) return Uint8Array.fromBase64(text)
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at)
  return bytes
}
