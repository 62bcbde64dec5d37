/**
 * SegFormers as published, B0 to B2 at 512 x 512 with 150 classes, from a JPEG to its label map: pictures per second, p50, p99 and
 * memory, by threads, precision and runtime, beside `@huggingface/transformers`, `onnxruntime` in Python with Pillow and NumPy, and
 * `transformers` in Python on torch.
 *
 * `npm run bench -- segformers [--case b0|b1|b2]… [--all] [--seconds N]`: B0 for 0.6 seconds each by default, within a minute on
 * two cores that are not busy; `--all` is all three in every precision by every runtime, and takes some ten minutes.
 *
 * The weights are random, and made once (`segformers/make.py`), as nothing else of a model counts for how long it takes. Random
 * weights give noisier label maps than trained ones: what comes after the model takes longer with them. Before anything is timed
 * all subjects are held to the same labels, and a run in which one has others ends with an error. Subjects take turns; each runs in a process of its own.
 *
 * torch is not among what is installed here: for Linux the Python registry has it with CUDA, some gigabytes of it. A Python that
 * has it, and `transformers`, is named by `SEGFORMER_BENCH_TORCH`.
 */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Python from "../support/Python.ts"
import { median, type Report } from "./Report.ts"
import * as Pictures from "./segformers/pictures.ts"
import { type Answered, type Kind, start, type Subject } from "./segformers/Running.ts"

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))

const names: Readonly<Record<Kind, string>> = {
  bare: "bare session.run",
  ours: "effect-segformer",
  apart: "effect-segformer, a session per thread",
  wasm: "effect-segformer, WebAssembly",
  transformers: "@huggingface/transformers",
  onnxruntime: "onnxruntime in Python, Pillow, NumPy",
  torch: "transformers in Python on torch"
}

const sizes = {
  small: { width: 512, height: 512 },
  large: { width: 2048, height: 1365 }
}
type Size = keyof typeof sizes
const sizesOfAll: ReadonlyArray<Size> = ["small", "large"]

/** Pixels, in per cent, that must have the labels of `onnxruntime` in Python with the same file: rounding decides the rest. */
const bounds: Readonly<Record<string, number>> = { fp32: 99.9, fp16: 99.5, q8: 98 }

/** It resizes otherwise, so that its labels are those of others only where nothing is resized. */
const resizesOtherwise = (kind: Kind): boolean => kind === "transformers"

/** A model as it is run. */
interface Case {
  readonly model: string
  readonly precision: string
  readonly threads: number
  readonly kinds: ReadonlyArray<Kind>
  /** Both by default. */
  readonly sizes?: ReadonlyArray<Size>
}

const usual = (model: string, hasTorch: boolean): ReadonlyArray<Case> => {
  const torch: ReadonlyArray<Kind> = hasTorch ? ["torch"] : []
  return [
    {
      model,
      precision: "fp32",
      threads: 2,
      kinds: ["bare", "transformers", "onnxruntime", ...torch, "ours", "apart"]
    },
    { model, precision: "fp32", threads: 1, kinds: ["bare", "onnxruntime", "ours", "wasm"] },
    { model, precision: "fp16", threads: 2, kinds: ["onnxruntime", "ours"], sizes: ["large"] },
    { model, precision: "q8", threads: 2, kinds: ["onnxruntime", "ours"], sizes: ["large"] }
  ]
}

const every = (model: string, hasTorch: boolean): ReadonlyArray<Case> =>
  ["fp32", "fp16", "q8"].flatMap((precision) =>
    [1, 2].map((threads): Case => {
      const kinds: Array<Kind> = ["bare", "transformers", "onnxruntime"]
      if (hasTorch && precision === "fp32") kinds.push("torch")
      kinds.push("ours", ...(threads > 1 ? (["apart"] as const) : []), "wasm")
      return { model, precision, threads, kinds }
    })
  )

const option = (name: string): ReadonlyArray<string> =>
  process.argv.flatMap((argument, i) => (argument === `--${name}` ? [process.argv[i + 1] ?? ""] : []))

/** The folder of a model, made where it is not there yet. */
const modelOf = (name: string, python: Python.Python): string => {
  const script = path("./segformers/make.py")
  const list = path("../python/segformers.txt")
  const key = createHash("sha256").update(readFileSync(script)).update(readFileSync(list)).digest("hex")
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-segformer", "models")
  const folder = join(cache, key.slice(0, 12), name)
  if (existsSync(folder)) return folder
  mkdirSync(join(folder, ".."), { recursive: true })
  const made = mkdtempSync(join(cache, "making-"))
  try {
    python.run(script, [name, made])
    renameSync(made, folder)
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
  return folder
}

const commandOf = (kind: Kind, python: Python.Python, torch: string | undefined): ReadonlyArray<string> => {
  switch (kind) {
    case "onnxruntime":
      return [python.executable, path("./segformers/subject.py")]
    case "torch":
      return [torch ?? "python3", path("./segformers/subject.py")]
    default:
      return [
        process.execPath,
        "--disable-warning=ExperimentalWarning",
        "-C",
        "effect-segformer-source",
        path("./segformers/subject.ts")
      ]
  }
}

/** In per cent. */
const agreement = (a: Uint8Array, b: Uint8Array): number => {
  if (a.length !== b.length) return 0
  let same = 0
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++
  return (100 * same) / a.length
}

const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN
}

/** What was measured of a subject with a picture: one after the other, and as many at once as it does by itself. */
interface Measured {
  readonly alone: Array<Answered>
  readonly together: Array<Answered>
}

const best = ({ alone, together }: Measured): ReadonlyArray<Answered> =>
  together.length > 0 ? together : alone

const speedOf = (measured: Measured): number =>
  median(best(measured).map(({ count, milliseconds }) => (count * 1000) / milliseconds))

/** In milliseconds. */
const processorOf = (measured: Measured): number =>
  best(measured).reduce((sum, { processor }) => sum + processor, 0) /
  best(measured).reduce((sum, { count }) => sum + count, 0)

const isOurs = (kind: Kind): boolean => kind === "ours" || kind === "apart" || kind === "wasm"

const rounds = 2

export const run = async (report: Report): Promise<void> => {
  const all = process.argv.includes("--all")
  const asked = option("case")
  const models = asked.length > 0 ? asked : all ? ["b0", "b1", "b2"] : ["b0"]
  const unknown = models.find((model) => !["b0", "b1", "b2"].includes(model))
  if (unknown !== undefined) throw new Error(`There is no case ${unknown}: b0, b1, b2`)
  const milliseconds = (1000 * Number(option("seconds")[0] ?? 0.6)) / rounds
  const torch = process.env["SEGFORMER_BENCH_TORCH"]
  if (torch === undefined) {
    console.error(
      `${names.torch}: not measured. For Linux the Python registry has torch with CUDA only; SEGFORMER_BENCH_TORCH names a Python that has torch and transformers.`
    )
  }
  const python = Python.environment("segformers")
  const wrong: Array<string> = []
  const folder = mkdtempSync(join(tmpdir(), "segformers-"))
  try {
    const pictures = { small: join(folder, "small.jpg"), large: join(folder, "large.jpg") }
    for (const size of sizesOfAll) await Pictures.write(pictures[size], sizes[size].width, sizes[size].height)
    for (const model of models) {
      const at = modelOf(model, python)
      for (const each of (all ? every : usual)(model, torch !== undefined)) {
        await compare(report, each, { at, pictures, folder, python, torch, milliseconds, wrong })
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  if (wrong.length === 0) return
  // Figures are told all the same: whose they are not to be compared with stands beside them.
  console.error(wrong.join("\n"))
  process.exitCode = 1
}

interface Setting {
  /** The folder of the model. */
  readonly at: string
  readonly pictures: Readonly<Record<Size, string>>
  /** For label maps. */
  readonly folder: string
  readonly python: Python.Python
  readonly torch: string | undefined
  /** For a subject and a picture, in a round. */
  readonly milliseconds: number
  /** Who gives other labels, so that its figures say nothing. */
  readonly wrong: Array<string>
}

/** All at once: loading models and libraries is a third of a run, and is not what is timed. */
const startAll = async (each: Case, { at, python, torch }: Setting): Promise<ReadonlyMap<Kind, Subject>> => {
  const { kinds, precision, threads } = each
  const begun = await Promise.allSettled(
    kinds.map((kind) => start(commandOf(kind, python, torch), { kind, model: at, precision, threads }))
  )
  const subjects = new Map<Kind, Subject>()
  begun.forEach((one, i) => {
    if (one.status === "fulfilled") subjects.set(kinds[i]!, one.value)
  })
  for (const one of begun) {
    if (one.status === "fulfilled") continue
    for (const subject of subjects.values()) subject.end()
    throw one.reason
  }
  return subjects
}

const compare = async (report: Report, each: Case, setting: Setting): Promise<void> => {
  const subjects = await startAll(each, setting)
  try {
    const measured = new Measurements()
    for (const size of each.sizes ?? sizesOfAll) await check(report, each, size, subjects, measured, setting)
    for (let round = 0; round < rounds; round++)
      for (const size of each.sizes ?? sizesOfAll) await time(size, subjects, measured, setting)
    for (const size of each.sizes ?? sizesOfAll) tell(report, each, size, subjects, measured)
  } finally {
    for (const subject of subjects.values()) subject.end()
  }
}

class Measurements {
  readonly #all = new Map<string, Measured>()

  /** The bare model has the same input whatever the picture. */
  of(kind: Kind, size: Size): Measured {
    const key = kind === "bare" ? kind : `${kind} ${size}`
    const found = this.#all.get(key) ?? { alone: [], together: [] }
    this.#all.set(key, found)
    return found
  }
}

const nameOf = ({ model, precision, threads }: Case, size: Size): string =>
  `${model}, ${precision}, ${threads} thread${threads === 1 ? "" : "s"}, ${sizes[size].width} x ${sizes[size].height}`

/** What takes long was measured while it was checked, and takes as long without having been warmed up. */
const isMeasured = ({ alone }: Measured, { milliseconds }: Setting): boolean =>
  (alone[0]?.milliseconds ?? 0) > 3 * milliseconds

/** Has each give its labels, which are to be those of others, and notes where they are not. */
const check = async (
  report: Report,
  each: Case,
  size: Size,
  subjects: ReadonlyMap<Kind, Subject>,
  measured: Measurements,
  setting: Setting
): Promise<void> => {
  const maps = new Map<Kind, Uint8Array>()
  for (const [kind, subject] of subjects) {
    const labels = join(setting.folder, `${kind}.labels`)
    const picture = setting.pictures[size]
    const answered = await subject.ask({ together: false, milliseconds: 0, most: 1, picture, labels })
    if (kind === "bare") continue
    maps.set(kind, readFileSync(labels))
    const { alone } = measured.of(kind, size)
    alone.push(answered)
    if (!isMeasured({ alone, together: [] }, setting)) alone.pop()
  }
  const reference = maps.get("onnxruntime")
  if (reference === undefined) throw new Error("nobody says which labels are right")
  for (const [kind, map] of maps) {
    if (kind === "onnxruntime") continue
    const value = agreement(map, reference)
    const isFree = size === "large" && resizesOtherwise(kind)
    if (!isFree && value < bounds[each.precision]!) {
      setting.wrong.push(
        `${nameOf(each, size)}: ${names[kind]} gives other labels than ${names.onnxruntime} for ${(100 - value).toFixed(2)} % of the pixels`
      )
    }
    const figure = { bench: "segformers", case: nameOf(each, size), subject: names[kind] }
    report({ ...figure, metric: `labels of ${names.onnxruntime}`, unit: "%", value })
  }
}

const time = async (
  size: Size,
  subjects: ReadonlyMap<Kind, Subject>,
  measured: Measurements,
  setting: Setting
): Promise<void> => {
  for (const [kind, subject] of subjects) {
    const found = measured.of(kind, size)
    if (isMeasured(found, setting)) continue
    const asked = { picture: setting.pictures[size], milliseconds: setting.milliseconds, most: 1000 }
    found.alone.push(await subject.ask({ ...asked, together: false }))
    if (isOurs(kind)) found.together.push(await subject.ask({ ...asked, together: true }))
  }
}

const tell = (
  report: Report,
  each: Case,
  size: Size,
  subjects: ReadonlyMap<Kind, Subject>,
  measured: Measurements
): void => {
  for (const [kind, subject] of subjects) {
    // What is the same whatever the picture is told once.
    if (kind === "bare" && size !== (each.sizes ?? sizesOfAll)[0]) continue
    const found = measured.of(kind, size)
    const figure = { bench: "segformers", case: nameOf(each, size), subject: names[kind] }
    const speed = { ...figure, metric: "pictures per second", unit: "1/s", value: speedOf(found) }
    report(speed)
    if (isOurs(kind)) {
      for (const against of each.kinds) {
        if (isOurs(against) && !(kind === "wasm" && against === "ours")) continue
        const ratio = speed.value / speedOf(measured.of(against, size))
        report({ ...speed, against: names[against], ratio })
      }
    }
    const times = found.alone.flatMap(({ each }) => each)
    report({ ...figure, metric: "p50", unit: "ms", value: quantile(times, 0.5) })
    report({ ...figure, metric: "p99", unit: "ms", value: quantile(times, 0.99) })
    report({ ...figure, metric: "pictures that these are of", unit: "", value: times.length })
    report({ ...figure, metric: "processor time a picture", unit: "ms", value: processorOf(found) })
    report({ ...figure, metric: "peak memory, all pictures", unit: "MiB", value: subject.peak() })
  }
}
