/** What of a result is shown, for files that hold that alone. */
import type { ModelClass } from "./Api.ts"
import type { RegionMask } from "./RegionMask.ts"
import { type FoundClass, isBackground, type Plane, type Region, type Result } from "./Result.ts"

export interface Part {
  readonly classes: ReadonlyArray<FoundClass>
  readonly regions: ReadonlyArray<Region>
  /** The pixels of the rest are background. */
  readonly labels: Plane
}

export interface Shown {
  /** Whether a class is shown. */
  readonly has: (className: string) => boolean
  /** The one region that is shown, and its pixels. */
  readonly region: { readonly id: number | undefined; readonly mask: RegionMask } | undefined
}

/** The rest is of the background class, or of one that is made: a pixel without any would be told as a thing. */
export const make = (of: Result, table: ReadonlyArray<ModelClass>, { has, region }: Shown): Part => {
  const classes = of.classes.filter(({ name }) => has(name) || isBackground(name))
  const keeps = new Set(of.classes.filter(({ name }) => has(name)).map(({ id }) => id))
  const all = [...of.classes, ...table]
  const ground = all.find(({ name }) => isBackground(name))
  const id = ground?.id ?? freeId(new Set(all.map((one) => one.id)), keeps)
  const { data, height, width } = of.labels
  const kept = data.slice()
  let pixels = 0
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (keeps.has(data[at]!) && (region === undefined || holds(region.mask, x, y))) continue
      kept[at] = id
      pixels++
    }
  }
  if (pixels > 0 && classes.every((one) => one.id !== id)) {
    const { color: paint = "#000000", name = "background" } = ground ?? {}
    classes.push({ id, name, color: undefined, paint, pixels, share: pixels / data.length, confidence: null })
  }
  const regions = of.regions.filter(
    (one) => has(one.className) && (region === undefined || one.id === region.id)
  )
  return { classes, regions, labels: { width, height, data: kept } }
}

/** An id that no class has; where there is none, that of one of which nothing is kept. */
const freeId = (known: ReadonlySet<number>, kept: ReadonlySet<number>): number => {
  for (const taken of [known, kept]) {
    for (let id = 255; id >= 0; id--) if (!taken.has(id)) return id
  }
  return 65_535
}

const holds = ({ bits, height, stride, width, x: left, y: top }: RegionMask, x: number, y: number) => {
  const [dx, dy] = [x - left, y - top]
  return (
    dx >= 0 &&
    dy >= 0 &&
    dx < width &&
    dy < height &&
    (bits[dy * stride + (dx >> 3)]! & (1 << (dx & 7))) !== 0
  )
}
