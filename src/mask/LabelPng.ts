/**
 * Label maps as PNG, their ids kept: grey or indexed pictures of 1, 2, 4, 8 or 16 bits, where a pixel is its class
 * id, and coloured ones, where a palette says which class a colour is.
 *
 * The header is read first, and a picture of more pixels than allowed is refused before anything is unpacked.
 * Checksums are checked; what is no PNG or a broken one is a `MaskNotDecodable`, never an exception. Interlaced
 * pictures of fewer than 8 bits are refused.
 *
 * ```ts
 * import { Result } from "effect"
 * import { LabelMap, LabelPng, Palette } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 2, height: 1, data: Uint8Array.of(0, 3) })
 * const png = Result.getOrThrow(LabelPng.encode(map, { palette: Palette.surface }))
 * Result.getOrThrow(LabelPng.decode(png)).data // => Uint8Array.of(0, 3)
 * ```
 */
import { Result } from "effect"
import type { BinaryMask } from "./BinaryMask.ts"
import type { ClassTable } from "./ClassTable.ts"
import { colorIds, type ColorOptions } from "./ColorIds.ts"
import type { LabelData, LabelMap } from "./LabelMap.ts"
import { fail, type MaskNotDecodable } from "./MaskError.ts"
import * as MaskThreshold from "./MaskThreshold.ts"
import * as Palette from "./Palette.ts"
import * as PngFile from "./PngFile.ts"
import * as PngNames from "./PngNames.ts"
import * as PngWriting from "./PngWriting.ts"

export interface DecodeOptions extends ColorOptions {
  /** Which class each colour of a coloured picture is. */
  readonly palette?: ClassTable | undefined
  /**
   * Take the class of an indexed picture from its colours instead of its indices, for pictures that some program
   * has reduced to indices of its own. Needs `palette`. Off by default.
   */
  readonly byColor?: boolean | undefined
  /** Pixels a picture may have. 100 million by default. */
  readonly maxPixels?: number | undefined
  /** The id of pixels that belong to no class, noted in the map. */
  readonly ignoreIndex?: number | undefined
  /** What the failure calls the mask. "label PNG" by default. */
  readonly name?: string | undefined
}

/**
 * The label map of a PNG. Ids of grey and indexed pictures are their values as stored (a 1-bit picture has ids 0
 * and 1); an alpha channel is looked at only where nothing else tells pixels apart. A coloured picture needs `palette`, unless its channels are equal throughout.
 */
export const decode = (
  bytes: Uint8Array,
  options: DecodeOptions = {}
): Result.Result<LabelMap, MaskNotDecodable> =>
  Result.flatMap(PngFile.read(bytes, options.name ?? "label PNG", options.maxPixels), (picture) =>
    ofPicture(picture, options)
  )

/** The label map of a picture that was read already. @internal */
export const ofPicture = (
  picture: PngFile.Picture,
  options: DecodeOptions = {}
): Result.Result<LabelMap, MaskNotDecodable> => {
  const { name = "label PNG", palette } = options
  const { height, width } = picture
  const finish = (data: LabelData): LabelMap =>
    options.ignoreIndex === undefined
      ? { width, height, data }
      : { width, height, data, ignoreIndex: options.ignoreIndex }
  const byColor = picture.channels >= 3 || (options.byColor === true && picture.palette !== undefined)
  // Some libraries write what is grey as colours.
  if (!byColor || (palette === undefined && (picture.palette !== undefined || PngFile.isGrey(picture)))) {
    return Result.succeed(finish(picture.channels === 1 ? picture.data : PngFile.brightness(picture)))
  }
  if (palette === undefined)
    return fail(name, "it is a coloured picture, and no palette says which class each colour is")
  const ids = colorIds(picture, palette, options)
  return Result.isFailure(ids) ? fail(name, ids.failure) : Result.succeed(finish(ids.success))
}

export interface EncodeOptions {
  /**
   * Makes an indexed picture in the colours that {@link Palette.colorOf} gives each id; without it the picture is grey.
   * Needs ids up to 255.
   */
  readonly palette?: ClassTable | undefined
  /**
   * Bits per pixel. By default 8, or 16 where an id needs them: readers that turn a 1-bit picture into booleans
   * or stretch it to 255 are common.
   */
  readonly depth?: 1 | 2 | 4 | 8 | 16 | undefined
  /** What ids are called: noted in the file, where {@link classesOf} finds it. Nothing by default. */
  readonly classes?: ClassTable | undefined
  /** 0 (store) to 9 (smallest). 3 by default. */
  readonly level?: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | undefined
}

/** The PNG of a label map. Fails where an id does not fit the depth. */
export const encode = (
  map: LabelMap,
  options: EncodeOptions = {}
): Result.Result<Uint8Array, MaskNotDecodable> => {
  const { data, height, width } = map
  let maxId = 0
  for (let i = 0; i < data.length; i++) if (data[i]! > maxId) maxId = data[i]!
  const depth = options.depth ?? (maxId <= 0xff ? 8 : 16)
  if (maxId >= 2 ** depth) return fail("label map", `id ${maxId} does not fit ${depth} bits`)
  const { classes = [], palette } = options
  if (palette !== undefined && depth === 16) {
    return fail("label map", `id ${maxId} does not fit a palette, which has at most 256 colours`)
  }
  return Result.succeed(
    PngWriting.encode({
      width,
      height,
      channels: palette === undefined ? 1 : "index",
      depth,
      data,
      before: [
        PngNames.chunkOf(classes),
        ...(palette === undefined ? [] : [PngWriting.chunk("PLTE", Palette.toBytes(palette, 2 ** depth))])
      ],
      level: options.level
    })
  )
}

/**
 * What the ids of a label PNG are called, where the file says so: all classes of the model, whether they occur or not; empty where it
 * does not. `encode` with `classes`, and the commands of this package, write it: a text chunk `id2label`, which may be of any kind (tEXt,
 * zTXt, iTXt) and stand anywhere in the file.
 */
export const classesOf = (bytes: Uint8Array): ClassTable => PngNames.findIn(bytes)?.classes ?? []

export interface MaskOptions {
  /**
   * A pixel is in the mask from this value on. By default 128 of 255, which suits blurred and soft masks; of masks with
   * values of 0 and 1, or 0 and one other, that other. A few values that are numbers of things (1 and 2; 0, 1 and 255) fail without it.
   */
  readonly threshold?: number | undefined
  /** Black is in the mask, white outside. Off by default. */
  readonly inverted?: boolean | undefined
  /** Pixels a picture may have. 100 million by default. */
  readonly maxPixels?: number | undefined
  /** What the failure calls the mask. "mask PNG" by default. */
  readonly name?: string | undefined
}

/**
 * The mask of a PNG of one class. Of coloured pictures the brightest channel counts, of those with nothing but
 * alpha to tell pixels apart (a cut-out in one colour) the alpha channel. Values are those of the picture: 0 to
 * 255 for 8 bits; an indexed picture counts by its colours.
 */
export const decodeMask = (
  bytes: Uint8Array,
  options: MaskOptions = {}
): Result.Result<BinaryMask, MaskNotDecodable> =>
  Result.flatMap(PngFile.read(bytes, options.name ?? "mask PNG", options.maxPixels), (picture) =>
    maskOf(picture, options)
  )

/** The mask of a picture that was read already. @internal */
export const maskOf = (
  picture: PngFile.Picture,
  options: MaskOptions = {}
): Result.Result<BinaryMask, MaskNotDecodable> => {
  const values = PngFile.brightness(picture)
  if (!PngFile.isBrightnessClear(picture, values))
    return fail(
      options.name ?? "mask PNG",
      "it says how opaque more colours are than it has, and alpha could be its mask"
    )
  const white = picture.depth < 8 && picture.palette === undefined ? 2 ** picture.depth - 1 : undefined
  const threshold = options.threshold ?? MaskThreshold.of(values, white)
  if (threshold === undefined) return fail(options.name ?? "mask PNG", MaskThreshold.unclear(values))
  const inside = options.inverted === true ? 0 : 1
  const data = new Uint8Array(values.length)
  for (let i = 0; i < values.length; i++) data[i] = values[i]! >= threshold ? inside : 1 - inside
  return Result.succeed({ width: picture.width, height: picture.height, data })
}

/**
 * The mask of a PNG whose pixels are inside where they are not wholly transparent, whatever their colour: the bitmasks of Label
 * Studio. Fails where it has no alpha.
 */
export const decodeAlpha = (
  bytes: Uint8Array,
  options: Pick<MaskOptions, "maxPixels" | "name"> = {}
): Result.Result<BinaryMask, MaskNotDecodable> => {
  const name = options.name ?? "mask PNG"
  return Result.flatMap(PngFile.read(bytes, name, options.maxPixels), (picture) => {
    const alpha = PngFile.opacity(picture)
    if (alpha === undefined) return fail(name, "it has no alpha, which would say what is inside")
    const data = new Uint8Array(alpha.length)
    for (let i = 0; i < data.length; i++) data[i] = alpha[i] === 0 ? 0 : 1
    return Result.succeed({ width: picture.width, height: picture.height, data })
  })
}

/** The PNG of a mask: grey, 8 bits, 255 in the mask and 0 outside. */
export const encodeMask = ({ data, height, width }: BinaryMask): Uint8Array =>
  PngWriting.encode({
    width,
    height,
    channels: 1,
    depth: 8,
    data: data.map((value) => (value === 0 ? 0 : 255))
  })
