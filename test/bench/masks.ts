/**
 * What a mask is asked for, on a label map of 4,000 x 3,000 pixels with 150 classes in some 5,000 regions: beside what
 * npm has for it, and as a ratio to one plain pass over the bytes (their sum, in a loop).
 *
 * `image-js` finds and measures regions, `d3-contour` draws outlines. Both take one mask at a time, so they are timed on
 * a few classes, each as a mask ready made, and the whole map is that times the number of classes; the same classes
 * one by one are timed with this library too. Their regions are 4-connected, and theirs measure less: no mean
 * confidence, no orientation that goes with the axes. No package of npm writes COCO's run lengths, so those stand
 * beside the loop that a user would write: a mask for each class, read column by column.
 *
 * Then what a camera line waits for: a map of 16 megapixels with as many classes to COCO's annotations of all of them, ready as
 * text, beside `pycocotools` and `supervision` on the same map. Those take a class at a time too, and are timed on a few.
 *
 * Figures are medians of alternating rounds.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import {
  BinaryMask,
  ClassTable,
  Components,
  LabelMap,
  Npy,
  Polygons,
  Regions,
  Rle
} from "../../src/mask/index.ts"
import * as Python from "../support/Python.ts"
import { median, type Report } from "./Report.ts"

const width = 4000
const height = 3000
const classCount = 150
/** Classes that the peers are timed on. */
const sampled = [3, 70, 121]
const rounds = 5

interface Roi {
  readonly surface: number
  readonly perimeter: number
  readonly centroid: unknown
  readonly ellipse: unknown
  readonly solidity: number
  readonly roundness: number
  readonly fillRatio: number
}

interface ImageJs {
  readonly Mask: new (width: number, height: number, options: { readonly data: Uint8Array }) => unknown
  readonly fromMask: (
    mask: unknown,
    options: { readonly allowCorners: boolean }
  ) => { readonly getRois: (options: { readonly kind: "white" }) => ReadonlyArray<Roi> }
}

interface D3Contour {
  readonly contours: () => {
    readonly size: (size: readonly [number, number]) => {
      readonly smooth: (smooth: boolean) => {
        readonly contour: (
          values: ArrayLike<number>,
          threshold: number
        ) => { readonly coordinates: ReadonlyArray<unknown> }
      }
    }
  }
}

/** Cells around scattered points, with borders that wave. */
const makeMap = (width: number, height: number): LabelMap.LabelMap => {
  const columns = Math.round(width / 49)
  const rows = Math.round(height / 49)
  let state = 7
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const xs = new Float64Array(columns * rows)
  const ys = new Float64Array(columns * rows)
  const ids = new Uint8Array(columns * rows)
  const near = [1, 2, columns - 2, columns - 1, columns, columns + 1, columns + 2, 2 * columns]
  for (let cell = 0; cell < ids.length; cell++) {
    const column = cell % columns
    const row = Math.floor(cell / columns)
    xs[cell] = ((column + 0.1 + 0.8 * random()) * width) / columns
    ys[cell] = ((row + 0.1 + 0.8 * random()) * height) / rows
    // Neighbours are of other classes, so that cells stay regions of their own.
    do ids[cell] = Math.floor(random() * classCount)
    while (near.some((back) => ids[cell - back] === ids[cell]))
  }
  const data = new Uint8Array(width * height)
  const wave = Float64Array.from(
    { length: Math.max(width, height) },
    (_, i) => 6 * Math.sin(i / 17) + 3 * Math.sin(i / 5.3)
  )
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = x + wave[y]!
      const v = y + wave[x]!
      const column = Math.max(0, Math.min(columns - 1, Math.floor((u * columns) / width)))
      const row = Math.max(0, Math.min(rows - 1, Math.floor((v * rows) / height)))
      let best = 0
      let least = Infinity
      for (let r = Math.max(0, row - 1); r <= Math.min(rows - 1, row + 1); r++) {
        for (let c = Math.max(0, column - 1); c <= Math.min(columns - 1, column + 1); c++) {
          const cell = r * columns + c
          const dx = u - xs[cell]!
          const dy = v - ys[cell]!
          const distance = dx * dx + dy * dy
          if (distance < least) {
            least = distance
            best = cell
          }
        }
      }
      data[y * width + x] = ids[best]!
    }
  }
  return { width, height, data }
}

/** `pycocotools`' way to encode one mask, as a user would write it. */
const runsByHand = (mask: BinaryMask.BinaryMask): ReadonlyArray<number> => {
  const counts: Array<number> = []
  let value = 0
  let run = 0
  for (let x = 0; x < mask.width; x++) {
    for (let y = 0; y < mask.height; y++) {
      const pixel = mask.data[y * mask.width + x]!
      if (pixel !== value) {
        counts.push(run)
        run = 0
        value = pixel
      }
      run++
    }
  }
  counts.push(run)
  return counts
}

const time = (work: () => unknown): number => {
  const started = performance.now()
  work()
  return performance.now() - started
}

export const run = async (report: Report): Promise<void> => {
  const [imageName, contourName] = ["image-js", "d3-contour"]
  const imageJs: ImageJs = await import(imageName)
  const { contours }: D3Contour = await import(contourName)

  const map = makeMap(width, height)
  const classes = ClassTable.fromNames(Array.from({ length: classCount }, (_, id) => `class ${id}`))
  const confidence = { width, height, data: new Float32Array(width * height).fill(0.5) }
  const regions = Components.make(map).count
  const common = { bench: "masks", case: `4,000 x 3,000, ${classCount} classes, ${regions} regions` }

  let sink = 0
  const ours: Readonly<Record<string, () => unknown>> = {
    "one plain pass": () => {
      const { data } = map
      let sum = 0
      for (let i = 0; i < data.length; i++) sum += data[i]!
      sink += sum
    },
    histogram: () => LabelMap.histogram(map),
    "run lengths of all classes": () => Rle.fromLabelMap(map),
    "run lengths of all classes, as COCO's text": () =>
      Array.from(Rle.fromLabelMap(map).values(), (rle) => Rle.toCoco(rle)),
    "regions with all properties": () => Regions.fromLabelMap(map, { classes }),
    "regions with all properties and confidence": () => Regions.fromLabelMap(map, { classes, confidence }),
    "polygons of all regions": () => Polygons.fromLabelMap(map)
  }
  const taken = new Map(Object.keys(ours).map((name) => [name, [] as Array<number>]))
  for (let round = -1; round < rounds; round++) {
    for (const [name, work] of Object.entries(ours)) {
      const milliseconds = time(work)
      if (round >= 0) taken.get(name)!.push(milliseconds)
    }
  }
  const result = new Map([...taken].map(([name, values]) => [name, median(values)]))
  const pass = result.get("one plain pass")!
  for (const [name, value] of result) {
    report({
      ...common,
      subject: name === "one plain pass" ? name : "effect-segformer",
      metric: name === "one plain pass" ? "time" : name,
      unit: "ms",
      value,
      ...(name === "one plain pass" ? {} : { against: "one plain pass", ratio: value / pass })
    })
  }

  // The peers, class by class; and this library the same way.
  const masks = sampled.map((id) => BinaryMask.fromLabelMap(map, id))
  const floats = masks.map((mask) => Float64Array.from(mask.data))
  const perClass: Readonly<
    Record<string, ReadonlyArray<readonly [subject: string, each: (index: number) => unknown]>>
  > = {
    "regions with all properties": [
      [
        "image-js",
        (index) => {
          const mask = new imageJs.Mask(width, height, { data: masks[index]!.data })
          const rois = imageJs.fromMask(mask, { allowCorners: false }).getRois({ kind: "white" })
          return rois.map((roi) => [
            roi.surface,
            roi.perimeter,
            roi.centroid,
            roi.ellipse,
            roi.solidity,
            roi.roundness,
            roi.fillRatio
          ])
        }
      ],
      [
        "effect-segformer, class by class",
        (index) => Regions.fromLabelMap(masks[index]!, { classes, exclude: [0], connectivity: 4 })
      ]
    ],
    "polygons of all regions": [
      ["d3-contour", (index) => contours().size([width, height]).smooth(false).contour(floats[index]!, 0.5)],
      ["effect-segformer, class by class", (index) => Polygons.fromMask(masks[index]!)]
    ],
    "run lengths of all classes": [
      ["a loop by hand", (index) => runsByHand(masks[index]!)],
      ["effect-segformer, class by class", (index) => Rle.fromMask(masks[index]!)]
    ]
  }
  for (const [metric, subjects] of Object.entries(perClass)) {
    const times = new Map(subjects.map(([subject]) => [subject, [] as Array<number>]))
    for (const index of sampled.keys()) {
      for (const [subject, each] of subjects) times.get(subject)!.push(time(() => each(index)))
    }
    const whole = result.get(metric)!
    for (const [subject, values] of times) {
      const value = median(values) * classCount
      report({
        ...common,
        subject,
        metric: `${metric} (${sampled.length} classes timed)`,
        unit: "ms",
        value,
        against: "effect-segformer, the map at once",
        ratio: value / whole
      })
    }
  }
  large(report)
  if (Number.isNaN(sink)) throw new Error("the plain pass was not taken")
}

/** One annotation for each class of a map, as text: its pixels, box and run lengths. */
const cocoText = (map: LabelMap.LabelMap): string => {
  const areas = LabelMap.histogram(map)
  const annotations = Array.from(Rle.fromLabelMap(map), ([id, rle]) => {
    const box = Rle.box(rle)
    return {
      category_id: id,
      area: areas.get(id),
      bbox: box && [box.x, box.y, box.width, box.height],
      segmentation: Rle.toCoco(rle),
      iscrowd: 0
    }
  })
  return JSON.stringify(annotations)
}

const large = (report: Report): void => {
  const map = makeMap(4096, 4096)
  const common = { bench: "masks", case: `4,096 x 4,096, ${classCount} classes` }
  let sink = 0
  const work: Readonly<Record<string, () => unknown>> = {
    "one plain pass": () => {
      const { data } = map
      let sum = 0
      for (let i = 0; i < data.length; i++) sum += data[i]!
      sink += sum
    },
    "COCO's annotations of all classes, as text": () => cocoText(map),
    "polygons of all regions": () => Polygons.fromLabelMap(map)
  }
  const taken = new Map(Object.keys(work).map((name) => [name, [] as Array<number>]))
  for (let round = -1; round < rounds; round++) {
    for (const [name, each] of Object.entries(work)) {
      const milliseconds = time(each)
      if (round >= 0) taken.get(name)!.push(milliseconds)
    }
  }
  const pass = median(taken.get("one plain pass")!)
  for (const [metric, values] of taken) {
    if (metric === "one plain pass") continue
    const value = median(values)
    report({
      ...common,
      subject: "effect-segformer",
      metric,
      unit: "ms",
      value,
      against: "one plain pass",
      ratio: value / pass
    })
  }
  const [metric] = Object.keys(work).slice(1)
  const ours = median(taken.get(metric!)!)
  const folder = mkdtempSync(join(tmpdir(), "segformer-bench-"))
  try {
    const path = join(folder, "map.npy")
    writeFileSync(path, Npy.fromLabelMap(map))
    const script = fileURLToPath(new URL("masks/peers.py", import.meta.url))
    const classes = JSON.stringify([...sampled, 9, 44])
    const peers: Readonly<Record<string, number>> = JSON.parse(
      Python.environment("truth").run(script, [path, classes])
    )
    for (const subject of ["pycocotools", "supervision"]) {
      const value = peers[subject]! * classCount
      report({
        ...common,
        subject,
        metric: `${metric} (5 classes timed)`,
        unit: "ms",
        value,
        against: "effect-segformer",
        ratio: value / ours
      })
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  if (Number.isNaN(sink)) throw new Error("the plain pass was not taken")
}
