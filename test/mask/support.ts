/** Random masks for tests: small, and full of the shapes that break things (single pixels, holes, diagonals). */
import * as fc from "fast-check"
import type { BinaryMask } from "../../src/mask/BinaryMask.ts"
import type { Annotation } from "../../src/mask/CocoSchema.ts"
import type { Settings } from "../../src/mask/exports/ExportFormat.ts"
import type { LabelMap } from "../../src/mask/LabelMap.ts"

/** The same numbers on every run, 0 to 1. */
export const random = (seed: number): (() => number) => {
  let state = seed >>> 0 || 1
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Label maps of up to `maxSide` pixels a side and ids below `classes`: scattered pixels and boxes on top. */
export const labelMaps = (options: { maxSide?: number; classes?: number } = {}): fc.Arbitrary<LabelMap> =>
  fc
    .record({
      width: fc.integer({ min: 1, max: options.maxSide ?? 12 }),
      height: fc.integer({ min: 1, max: options.maxSide ?? 12 }),
      seed: fc.integer(),
      noise: fc.constantFrom(0, 0.1, 0.4, 1),
      boxes: fc.integer({ min: 0, max: 6 })
    })
    .map(({ boxes, height, noise, seed, width }) => {
      const next = random(seed)
      const classes = options.classes ?? 3
      const data = new Uint8Array(width * height)
      for (let i = 0; i < boxes; i++) {
        const id = Math.floor(next() * classes)
        const x0 = Math.floor(next() * width)
        const y0 = Math.floor(next() * height)
        const x1 = x0 + 1 + Math.floor(next() * (width - x0))
        const y1 = y0 + 1 + Math.floor(next() * (height - y0))
        for (let y = y0; y < y1; y++) data.fill(id, y * width + x0, y * width + x1)
      }
      for (let i = 0; i < data.length; i++) if (next() < noise) data[i] = Math.floor(next() * classes)
      return { width, height, data }
    })

/** Binary masks of the same kind. */
export const binaryMasks = (maxSide?: number): fc.Arbitrary<BinaryMask> =>
  labelMaps({ classes: 2, ...(maxSide === undefined ? {} : { maxSide }) }).map(({ data, height, width }) => ({
    width,
    height,
    data: Uint8Array.from(data)
  }))

/** Two masks of one size. */
export const maskPairs = (maxSide?: number): fc.Arbitrary<readonly [BinaryMask, BinaryMask]> =>
  fc.tuple(binaryMasks(maxSide), fc.integer()).map(([mask, seed]) => {
    const next = random(seed)
    const share = next()
    return [mask, { ...mask, data: mask.data.map((v) => (next() < share ? v : Math.round(next()))) }]
  })

/** A label map drawn in text: one digit a pixel. */
export const fromDigits = (rows: ReadonlyArray<string>): LabelMap => ({
  width: rows[0]!.length,
  height: rows.length,
  data: Uint8Array.from(rows.join(""), Number)
})

/** The same label map, written as text. */
export const toDigits = (map: LabelMap): ReadonlyArray<string> =>
  Array.from({ length: map.height }, (_, y) =>
    Array.from(map.data.subarray(y * map.width, (y + 1) * map.width), String).join("")
  )

/** Export of every region as it is. */
export const exported: Settings = {
  classes: [],
  palette: [],
  exclude: new Set([0]),
  minArea: 1,
  tolerance: undefined,
  categoryOf: undefined,
  transform: undefined,
  regions: false,
  shape: "mask",
  objects: "region",
  imagesAt: undefined,
  named: true
}

/** Two pixels high and so many wide, in COCO. */
export const annotation = (category: number, width: number): Annotation => ({
  id: 1,
  image_id: 1,
  category_id: category,
  segmentation: [[0, 0, width, 0, width, 2, 0, 2]],
  area: 2 * width,
  bbox: [0, 0, width, 2],
  iscrowd: 0
})

/** The same, in GeoJSON. */
export const feature = (classId: number, width: number): string =>
  JSON.stringify({
    type: "FeatureCollection",
    features: [
      {
        type: "Feature",
        properties: { classId },
        geometry: {
          type: "Polygon",
          coordinates: [
            [
              [0, 0],
              [width, 0],
              [width, 2],
              [0, 2],
              [0, 0]
            ]
          ]
        }
      }
    ]
  })
