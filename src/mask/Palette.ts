/**
 * Palettes: a colour for each class id, and the tables of well-known data sets.
 *
 * ```ts
 * import { ClassTable, Palette } from "effect-segformer/mask"
 *
 * ClassTable.nameOf(Palette.cityscapes, 13) // => "car"
 * Palette.colorOf(Palette.surface, 2) // => [230, 159, 0]
 * Palette.idOf(Palette.cityscapes, [0, 0, 142]) // => 13
 * Palette.distinct(3) // => [[230, 159, 0], [86, 180, 233], [0, 158, 115]]
 * ```
 */
import { groupBy } from "effect/Array"
import { dual } from "effect/Function"
import * as ClassTable from "./ClassTable.ts"
import { ADE20K, colored } from "./datasets/Ade20k.ts"
import { CITYSCAPES, CITYSCAPES_LABEL_IDS } from "./datasets/Cityscapes.ts"
import { COCO_CATEGORY_IDS, COCO_STUFF, COCO_THINGS } from "./datasets/CocoStuff.ts"
import { ATR, LIP, PASCAL_VOC } from "./datasets/PascalVoc.ts"

/** A class table in which every class has a colour. */
export type Palette = ReadonlyArray<ClassTable.ClassInfo & { readonly color: ClassTable.Rgb }>

/** Red, green and blue of `0xRRGGBB`. */
export const rgb = (hex: number): ClassTable.Rgb => [(hex >> 16) & 0xff, (hex >> 8) & 0xff, hex & 0xff]

/** `#rrggbb`, as CSS and SVG write it. */
export const toHex = (color: ClassTable.Rgb): string =>
  `#${color.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`

/** The colour of `#rrggbb` or `rrggbb`; `undefined` for any other text. */
export const fromHex = (text: string): ClassTable.Rgb | undefined => {
  const digits = /^#?([\da-f]{6})$/i.exec(text.trim())?.[1]
  return digits === undefined ? undefined : rgb(Number.parseInt(digits, 16))
}

/**
 * The colour that Pascal VOC's development kit gives an id: bit 0, 1, 2 of the id set the highest bits of red,
 * green and blue, bits 3, 4, 5 the next ones, and so on. Distinct for ids 0 to 255.
 */
export const vocColor = (id: number): ClassTable.Rgb => {
  const color = [0, 0, 0]
  for (let bit = 0; bit < 8; bit++) {
    for (let channel = 0; channel < 3; channel++) {
      color[channel]! |= ((id >> (3 * bit + channel)) & 1) << (7 - bit)
    }
  }
  return [color[0]!, color[1]!, color[2]!]
}

const table = (classes: ReadonlyArray<readonly [string, number]>): Palette =>
  classes.map(([name, color], id) => ({ id, name, color: rgb(color) }))

/**
 * The classes of the model in the box (surface inspection). Colours after Okabe and Ito, "Color Universal Design",
 * which readers with any of the common colour deficiencies tell apart.
 */
export const surface: Palette = table(
  colored("background 000000,particle 56b4e9,scratch e69f00,stain 009e73,fiber cc79a7,pit d55e00")
)

/** ADE20K: 150 classes, `color150`. */
export const ade20k: Palette = table(ADE20K)

/** Cityscapes: 19 classes by train id. */
export const cityscapes: Palette = table(CITYSCAPES)

/**
 * The id that Cityscapes' label files (`_labelIds.png`) have for each train id: `[19]`. `LabelMap.remap` with it turns
 * predictions into what its server takes.
 */
export const cityscapesLabelIds: ReadonlyArray<number> = CITYSCAPES_LABEL_IDS

/** Classes in the colours of their ids and a step. */
const inVocColors = (names: ReadonlyArray<string>, step = 0): Palette =>
  names.map((name, id) => ({ id, name, color: vocColor(id + step) }))

/** Pascal VOC: 21 classes, colours of its development kit. */
export const pascalVoc: Palette = inVocColors(PASCAL_VOC)

/** ATR: 18 classes of people and their clothes, as the most used clothes SegFormers have them; colours as {@link pascalVoc}'s. */
export const atr: Palette = inVocColors(ATR)

/** LIP: 20 classes of people and their clothes; colours as {@link pascalVoc}'s. */
export const lip: Palette = inVocColors(LIP)

/**
 * COCO-Stuff: 171 classes by dense id. Its authors publish no table of colours, and those of other tools use some
 * twice, so each class has {@link vocColor} of its id plus 1, which are distinct.
 */
export const cocoStuff: Palette = inVocColors([...COCO_THINGS, ...COCO_STUFF], 1)

/** The category id that COCO's JSON has for each class of {@link cocoStuff}: `[171]`, 1 to 182 with holes. */
export const cocoStuffCategoryIds: ReadonlyArray<number> = COCO_CATEGORY_IDS

const named: Readonly<Record<string, Palette>> = {
  surface,
  ade20k,
  cityscapes,
  voc: pascalVoc,
  atr,
  lip,
  "coco-stuff": cocoStuff
}

/** What the tables are called in settings and on the command line. */
export const names: ReadonlyArray<string> = Object.keys(named)

/** The table of one of {@link names}. */
export const byName = (name: string): Palette | undefined =>
  Object.hasOwn(named, name) ? named[name] : undefined

/**
 * A table with a colour for every class: its own where it has one, else the one of {@link distinct} at its place
 * among all.
 */
export const fromClasses = (classes: ClassTable.ClassTable): Palette => {
  const colors = distinct(classes.length)
  return classes.map((info, index) => ({ ...info, color: info.color ?? colors[index]! }))
}

/** The colour of an id. Ids the palette lacks get one from {@link vocColor} that none of its classes has, and no other id below 256, so that they are still seen. */
export const colorOf: {
  (id: number): (self: ClassTable.ClassTable) => ClassTable.Rgb
  (self: ClassTable.ClassTable, id: number): ClassTable.Rgb
} = dual(2, (self: ClassTable.ClassTable, id: number): ClassTable.Rgb => {
  const own = ClassTable.get(self, id)?.color
  if (own !== undefined) return own
  let at = (id % 255) + 1
  for (let tries = 0; tries < 256; tries++) {
    const owner = idOf(self, vocColor(at))
    if (owner === undefined) break
    // What the class of that colour leaves unused; black is left where that is this colour, or the 255's.
    at = owner === 0 || owner + 1 === at ? 0 : owner + 1
  }
  return vocColor(at)
})

/** The id of a colour; of two classes of one colour (ADE20K has such) the lower one. */
export const idOf: {
  (color: ClassTable.Rgb): (self: ClassTable.ClassTable) => number | undefined
  (self: ClassTable.ClassTable, color: ClassTable.Rgb): number | undefined
} = dual(
  2,
  (self: ClassTable.ClassTable, color: ClassTable.Rgb): number | undefined =>
    self.find((info) => info.color?.every((channel, i) => channel === color[i]))?.id
)

/** The colours that several classes have, with those classes: a picture in these colours cannot tell them apart. */
export const sharedColors = (
  self: Palette
): ReadonlyArray<{
  readonly color: ClassTable.Rgb
  readonly classes: ReadonlyArray<ClassTable.ClassInfo>
}> =>
  Object.values(groupBy(self, ({ color }) => toHex(color))).flatMap((classes) =>
    classes.length > 1 ? [{ color: classes[0].color, classes }] : []
  )

/** Red, green, blue of ids 0 to `size - 1`: `[size, 3]`, for painting label maps. */
export const toBytes = (self: ClassTable.ClassTable, size = (self.at(-1)?.id ?? -1) + 1): Uint8Array => {
  const bytes = new Uint8Array(size * 3)
  for (let id = 0; id < size; id++) bytes.set(colorOf(self, id), id * 3)
  return bytes
}

/**
 * `n` well-separated colours, each as far as can be from those before it for readers with ordinary sight, without red cones and
 * without green cones: the distance of two colours is the smallest of the three in OKLab, deficient sight being
 * simulated after Viénot, Brettel and Mollon (1999). The first colours of a longer list are those of a shorter
 * one, which begins with Okabe and Ito's seven. Black, white and what comes near them are left for backgrounds and
 * text.
 */
export const distinct = (n: number): ReadonlyArray<ClassTable.Rgb> => {
  if (n > chosen.length) extend(n)
  return chosen.slice(0, n)
}

const chosen: Array<ClassTable.Rgb> = [
  0xe69f00, 0x56b4e9, 0x009e73, 0xcc79a7, 0xd55e00, 0x0072b2, 0xf0e442
].map(rgb)

/** How each of the colours to choose from looks to three kinds of readers: `[candidates, 9]`, OKLab. */
let looks: Float64Array | undefined
let nearest: Float64Array | undefined

/** Levels of a channel; of the 12^3 colours over a thousand can be chosen, after which the last one repeats. */
const LEVELS = 12

const candidate = (index: number): ClassTable.Rgb => [
  Math.round(((index % LEVELS) * 255) / (LEVELS - 1)),
  Math.round(((Math.floor(index / LEVELS) % LEVELS) * 255) / (LEVELS - 1)),
  Math.round((Math.floor(index / (LEVELS * LEVELS)) * 255) / (LEVELS - 1))
]

/** Farthest point first: each next colour is the one whose nearest neighbour among the chosen is farthest. */
const extend = (n: number): void => {
  const count = LEVELS ** 3
  if (looks === undefined || nearest === undefined) {
    looks = new Float64Array(count * 9)
    nearest = new Float64Array(count)
    for (let i = 0; i < count; i++) {
      const seen = look(candidate(i))
      looks.set(seen, i * 9)
      // Neither too dark nor too light to be told from text and paper.
      nearest[i] = seen[0]! > 0.4 && seen[0]! < 0.95 ? Infinity : 0
    }
    for (const color of chosen) keepAway(looks, nearest, look(color))
  }
  while (chosen.length < n) {
    let best = 0
    for (let i = 1; i < count; i++) if (nearest[i]! > nearest[best]!) best = i
    const color = candidate(best)
    chosen.push(color)
    keepAway(looks, nearest, look(color))
  }
}

const keepAway = (looks: Float64Array, nearest: Float64Array, from: ReadonlyArray<number>): void => {
  for (let i = 0; i < nearest.length; i++) {
    for (let kind = 0; kind < 9; kind += 3) {
      const l = looks[i * 9 + kind]! - from[kind]!
      const a = looks[i * 9 + kind + 1]! - from[kind + 1]!
      const b = looks[i * 9 + kind + 2]! - from[kind + 2]!
      const distance = l * l + a * a + b * b
      if (distance < nearest[i]!) nearest[i] = distance
    }
  }
}

/** The light of a channel of sRGB, 0 to 1. @internal */
export const linear = (channel: number): number => {
  const value = channel / 255
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
}

/** OKLab of a colour as seen with ordinary sight, by protanopes and by deuteranopes. */
const look = (color: ClassTable.Rgb): ReadonlyArray<number> => {
  const [r, g, b] = color.map(linear)
  const red = r!
  const green = g!
  const blue = b!
  const protan = 0.11238 * red + 0.88762 * green
  const protanBlue = 0.00401 * red - 0.00401 * green + blue
  const deutan = 0.29275 * red + 0.70725 * green
  const deutanBlue = -0.02234 * red + 0.02234 * green + blue
  return [
    ...okLab(red, green, blue),
    ...okLab(protan, protan, Math.max(0, protanBlue)),
    ...okLab(deutan, deutan, Math.max(0, deutanBlue))
  ]
}

/** From linear light; after Björn Ottosson, "A perceptual color space for image processing". */
const okLab = (r: number, g: number, b: number): readonly [number, number, number] => {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s
  ]
}
