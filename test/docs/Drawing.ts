/**
 * The pictures of the docs that show the code, drawn from the code: the way an image takes, and the rooms with what each
 * imports. `npm run docs` writes them.
 */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { root } from "./Reference.ts"

const read = (path: string): string => readFileSync(join(root, path), "utf8")

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** Ink that is read on light and on dark pages. */
const style = `<style>
    text { font: 13px ui-sans-serif, system-ui, "Segoe UI", sans-serif; fill: #1f2937 }
    .title { font-weight: 650; font-size: 15px }
    .small { font-size: 12px; fill: #4b5563 }
    .box { fill: #ffffff; stroke: #94a3b8 }
    .seam { fill: #eef2ff; stroke: #4f46e5; stroke-width: 1.5 }
    .arrow { stroke: #64748b; stroke-width: 1.5; fill: none }
    .head { fill: #64748b }
  </style>`

const svg = (width: number, height: number, title: string, body: ReadonlyArray<string>): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">
  ${style}
  <rect width="${width}" height="${height}" rx="12" fill="#f8fafc"/>
  ${body.join("\n  ")}
</svg>
`

const namesIn = (path: string, pattern: RegExp): ReadonlyArray<string> => [
  ...new Set(Array.from(read(path).matchAll(pattern), (match) => match[1]!))
]

interface Stage {
  readonly title: string
  readonly lines: ReadonlyArray<string>
  readonly seam?: boolean
}

/** The stages of a segmentation, with what stands in the sources about each. */
const stages = (): ReadonlyArray<Stage> => {
  const sources = namesIn("src/image/ImageSource.ts", /^export const (bytes|file|url|stream\w*)\b/gm)
  const protocols = namesIn("src/http/index.ts", /^export \* as (\w+) from "\.\/protocol\//gm).filter(
    (name) => !name.startsWith("Protocol")
  )
  const predictions = namesIn("src/Prediction.ts", /readonly _tag: "(\w+)"/g)
  const found = namesIn(
    "src/Segmentation.ts",
    /^ {2}readonly (labelMap|regions|classes|scores|pictures|cost|confidence)\b/gm
  )
  const masks = globSync("src/mask/{Coco,GeoJson,LabelPng,Npy,Rle,Yolo,Csv}.ts", { cwd: root })
  const fileName = (path: string) => path.replace(/^.*\//, "").replace(/\.ts$/, "")
  return [
    { title: "ImageSource", lines: [...sources, "header and limits first"] },
    { title: "segment", lines: ["deadline, retries, queue,", "breaker, time-out", "(the policy)"] },
    {
      title: "Transport",
      lines: [
        "SegFormerHttp,",
        `${protocols.length} protocols`,
        "SegFormerOnnx, a model",
        "SegFormerTest, fakes"
      ],
      seam: true
    },
    { title: "Prediction", lines: predictions },
    { title: "Segmentation", lines: found },
    { title: "mask, render", lines: [...masks.map(fileName).sort(), "Overlay, Svg, reports"] }
  ]
}

export const way = (): string => {
  const all = stages()
  const width = 182
  const gap = 32
  const line = 19
  const height = 72 + Math.max(...all.map(({ lines }) => lines.length)) * line
  const body = all.flatMap(({ lines, seam, title }, index) => {
    const x = 16 + index * (width + gap)
    const arrow =
      index === 0
        ? []
        : [
            `<path class="arrow" d="M ${x - gap + 3} 50 H ${x - 9}"/>`,
            `<path class="head" d="M ${x - 3} 50 l -9 -5 v 10 z"/>`
          ]
    return [
      ...arrow,
      `<rect class="${seam === true ? "seam" : "box"}" x="${x}" y="16" width="${width}" height="${height - 32}" rx="8"/>`,
      `<text class="title" x="${x + 14}" y="42">${escape(title)}</text>`,
      ...lines.map(
        (text, row) => `<text class="small" x="${x + 14}" y="${66 + row * line}">${escape(text)}</text>`
      )
    ]
  })
  return svg(
    32 + all.length * width + (all.length - 1) * gap,
    height,
    "The way an image takes: source, program, transport, prediction, segmentation, masks and pictures",
    body
  )
}

/** Rooms in their order, as the test of the architecture has them. */
const rooms = (): ReadonlyArray<string> => {
  const list = /const rooms = \[([\s\S]*?)\]/.exec(read("test/Architecture.test.ts"))?.[1] ?? ""
  return Array.from(list.matchAll(/"([^"]+)"/g), (match) => match[1]!)
}

const roomOf = (path: string): string => dirname(path).split("/")[1] ?? "."

export const house = (): string => {
  const order = rooms()
  const modules = globSync("src/**/*.ts", { cwd: root })
  const arrows = new Map<string, number>()
  for (const path of modules) {
    for (const [, specifier] of read(path).matchAll(/^(?:import|export) [^"]*?from "(\.[^"]+)"/gm)) {
      const to = roomOf(normalize(join(dirname(path), specifier!)))
      const from = roomOf(path)
      // The two modules that every room may use are no part of any.
      const isShared = /(version|randomHex)\.ts$/.test(specifier!)
      if (to !== from && order.includes(to) && !isShared)
        arrows.set(`${from} ${to}`, (arrows.get(`${from} ${to}`) ?? 0) + 1)
    }
  }
  const row = 40
  const middle = (room: string) => 24 + order.indexOf(room) * row + 14
  const boxes = order.map((room) => {
    const count = modules.filter((path) => roomOf(path) === room).length
    const y = middle(room) - 14
    return `<rect class="box" x="330" y="${y}" width="210" height="28" rx="6"/>
  <text class="title" x="344" y="${y + 19}">${room === "." ? "src" : room}</text>
  <text class="small" x="526" y="${y + 19}" text-anchor="end">${count} modules</text>`
  })
  // Arcs from a room to each that it imports: all of them go up.
  const arcs = [...arrows].map(([key, count]) => {
    const [from = "", to = ""] = key.split(" ")
    const [start, end] = [middle(from), middle(to)]
    const side = order.indexOf(from) % 2 === 0 ? 1 : -1
    const x = side === 1 ? 540 : 330
    const reach = x + side * (24 + Math.abs(start - end) * 0.5)
    const ink = start > end ? "#6366f1" : "#dc2626"
    return `<path d="M ${x} ${start} C ${reach} ${start} ${reach} ${end} ${x} ${end}" fill="none" stroke="${ink}" stroke-opacity="0.45" stroke-width="${(0.8 + Math.log2(count) * 0.5).toFixed(2)}"/>`
  })
  return svg(
    850,
    24 + order.length * row + 12,
    "The rooms of the sources: each imports only rooms above it",
    [...arcs, ...boxes]
  )
}
