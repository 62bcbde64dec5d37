/** A segmentation as `/v1/segment` answers it, with its label map and confidences unpacked. */
import { type Fields, fields, NotAsAgreed } from "./Fields.ts"

export interface Class {
  readonly id: number
  readonly name: string
  /** `#rrggbb`; `undefined` for what is left of an image, which is not coloured. */
  readonly color: string | undefined
  /** The colour that the server gives it, coloured or not. */
  readonly paint?: string | undefined
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

/** A plane as it came: packed by zlib, a tenth and less of its size. */
export interface PackedPlane {
  readonly width: number
  readonly height: number
  readonly bits: number
  readonly deflate: Uint8Array<ArrayBuffer>
}

/** An answer that is not looked at now: many are kept. */
export interface Packed {
  readonly model: string
  readonly width: number
  readonly height: number
  /** The file has more pages, and this is of the first. */
  readonly morePages?: boolean
  readonly seconds: number
  /** Largest first. */
  readonly classes: ReadonlyArray<FoundClass>
  /** Largest first, at most 1,000, without the background's. */
  readonly regions: ReadonlyArray<Region>
  readonly regionsTotal: number
  readonly packed: { readonly labels: PackedPlane; readonly confidence: PackedPlane | undefined }
  /** The answer as it came, without the two planes: what is saved as JSON. */
  readonly json: unknown
}

/** An answer that is looked at. */
export interface Result extends Packed {
  /** Class ids. */
  readonly labels: Plane
  /** 0 to 255 for 0 to 1, where the model gives any. */
  readonly confidence: Plane | undefined
}

const classOf = (of: Fields): Class => {
  const name = of.string("name")
  const paint = of.string("color")
  return { id: of.number("id"), name, color: isBackground(name) ? undefined : paint, paint }
}

/** Whether a class is what is left of an image, by the names that the server has for it. */
export const isBackground = (name: string): boolean =>
  /^[\W_]*(?:back[\W_]?ground|bg|none|unlabell?ed|void|ignore)[\W_]*$/i.test(name)

export const decode = (answer: unknown): Packed => {
  const of = fields(answer)
  const planes = new Set(["labels", "confidence"])
  const confidence = of.optional("confidence")
  const regions = of.list("regions", regionOf)
  const shown = regions.filter(({ className }) => !isBackground(className))
  return {
    model: of.string("model"),
    width: of.number("width"),
    height: of.number("height"),
    morePages: of.boolean("morePages"),
    seconds: of.number("seconds"),
    classes: of.list("classes", (one) => ({
      ...classOf(one),
      pixels: one.number("pixels"),
      share: one.number("share"),
      confidence: one.numberOrNull("confidence")
    })),
    regions: shown,
    regionsTotal: of.number("regionsTotal") - (regions.length - shown.length),
    packed: {
      labels: planeOf(of.object("labels"), of.object("labels").number("bits")),
      confidence: confidence && planeOf(confidence, 8)
    },
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

const planeOf = (of: Fields, bits: number): PackedPlane => ({
  width: of.number("width"),
  height: of.number("height"),
  bits,
  deflate: fromBase64(of.string("deflate"))
})

/** A plane, packed as the server packs it. */
export const pack = async ({ data, height, width }: Plane): Promise<PackedPlane> => {
  const bytes = new Uint8Array(data.byteLength)
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"))
  const deflate = new Uint8Array(await new Response(packed).arrayBuffer())
  return { width, height, bits: data instanceof Uint16Array ? 16 : 8, deflate }
}

/** The planes, unpacked. */
export const unpack = async (packed: Packed): Promise<Result> => {
  const [labels, confidence] = await Promise.all([
    unpacked(packed.packed.labels),
    packed.packed.confidence && unpacked(packed.packed.confidence)
  ])
  return { ...packed, labels, confidence }
}

/** A plane, unpacked. */
export const unpacked = async ({ bits, deflate, height, width }: PackedPlane): Promise<Plane> => {
  const bytes = await inflate(deflate)
  if ((bits !== 8 && bits !== 16) || bytes.length !== (width * height * bits) / 8) {
    throw new NotAsAgreed(
      `A map of ${width} x ${height} pixels of ${bits} bits came with ${bytes.length} bytes`
    )
  }
  return { width, height, data: bits === 16 ? new Uint16Array(bytes.buffer) : bytes }
}

const inflate = async (deflate: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(
    await new Response(
      new Blob([deflate]).stream().pipeThrough(new DecompressionStream("deflate"))
    ).arrayBuffer()
  )

/** The platform's own where it has one: many times faster on a megabyte. */
const fromBase64 = (text: string): Uint8Array<ArrayBuffer> => {
  if (Object.hasOwn(Uint8Array, "fromBase64")) return Uint8Array.fromBase64(text)
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at)
  return bytes
}
