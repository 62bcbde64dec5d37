/**
 * The process of a session: loads one model, then turns pictures into label maps, one after the other. It is started
 * by `SessionProcess` with a pipe on descriptor 3, and ends when that pipe does, so it never outlives its parent.
 */
import { Socket } from "node:net"
import type { InferenceSession, Tensor } from "onnxruntime-common"
import { allocate, type LabelData } from "../../mask/LabelMap.ts"
import * as LabelMap from "../../mask/LabelMap.ts"
import * as Logits from "../../mask/Logits.ts"
import * as Frames from "./Frames.ts"
import * as Preprocessing from "./Preprocessing.ts"

type Runtime = typeof import("onnxruntime-common")

interface Loaded {
  readonly runtime: Runtime
  readonly session: InferenceSession
  readonly input: string
  readonly output: string
  readonly preprocessing: Preprocessing.Preprocessing
}

const pipe = new Socket({ fd: 3 })

const send = (message: Frames.FromSession, body?: Uint8Array): void => {
  pipe.cork()
  pipe.write(Frames.head(message, body?.length))
  if (body !== undefined && body.length > 0) pipe.write(body)
  pipe.uncork()
}

const reasonOf = (cause: unknown): string => {
  const text = cause instanceof Error ? cause.message : String(cause)
  return text.replaceAll(/\s+/g, " ").trim().slice(0, 400)
}

const bytesOf = (data: LabelData | Float32Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

const load = async (message: Frames.Load): Promise<Loaded | Frames.Unusable> => {
  const unusable = (detail: string): Frames.Unusable => ({ type: "unusable", reason: "model", detail })
  let runtime: Runtime
  try {
    runtime = (await import("onnxruntime-node")).default
  } catch (cause) {
    return { type: "unusable", reason: "runtime", detail: reasonOf(cause) }
  }
  const { preprocessing } = message
  let session: InferenceSession
  try {
    session = await runtime.InferenceSession.create(message.file, {
      intraOpNumThreads: message.threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      // Errors come as exceptions; warnings of the optimizer are not for the user's terminal.
      logSeverityLevel: 3,
      // Threads that wait by spinning win a few percent on a machine of their own, and lose half on a shared one.
      extra: { session: { intra_op: { allow_spinning: "0" } } }
    })
  } catch (cause) {
    return unusable(`ONNX Runtime does not load ${message.file} (${reasonOf(cause)})`)
  }
  const inputs = session.inputMetadata
  const input = inputs.find(({ name }) => name === "pixel_values") ?? inputs[0]
  if (inputs.length !== 1 || input?.isTensor !== true || input.type !== "float32") {
    const found = inputs.map((each) => `${each.name}${each.isTensor ? `: ${each.type}` : ""}`).join(", ")
    return unusable(`it must take one float32 tensor, [batch, 3, height, width], but takes (${found})`)
  }
  const output = session.outputNames.includes("logits") ? "logits" : session.outputNames[0]
  if (output === undefined) return unusable("it has no output")
  const loaded = { runtime, session, input: input.name, output, preprocessing }
  try {
    // A small run now finds out what the model gives, and the first picture finds the session warm.
    const [, , height, width] = input.shape
    const side = (value: number | string | undefined) => (typeof value === "number" ? value : 64)
    const result = await infer(loaded, {
      width: side(width),
      height: side(height),
      data: new Float32Array(3 * side(width) * side(height))
    })
    read(result, { width: 2, height: 2, confidence: false })
    result.dispose()
  } catch (cause) {
    return unusable(reasonOf(cause))
  }
  return loaded
}

const infer = async (
  { input, output, runtime, session }: Loaded,
  { data, height, width }: Preprocessing.Input
): Promise<Tensor> => {
  const results = await session.run({ [input]: new runtime.Tensor("float32", data, [1, 3, height, width]) }, [
    output
  ])
  return results[output]!
}

interface Read {
  readonly labels: LabelMap.LabelMap
  readonly scores: ReadonlyArray<readonly [id: number, score: number]>
  readonly confidence: Float32Array | undefined
}

/** What the model gave, at the picture's size: logits are resized and decided, a class map is resized. */
const read = (
  output: Tensor,
  picture: { readonly width: number; readonly height: number; readonly confidence: boolean }
): Read => {
  const { data, dims } = output
  const { height, width } = picture
  if (dims.length === 4 && dims[0] === 1 && data instanceof Float32Array) {
    const logits: Logits.Logits = { data, classes: dims[1]!, height: dims[2]!, width: dims[3]! }
    let i = 0
    while (i < data.length && Number.isNaN(data[i])) i++
    if (i === data.length) throw new Error("every logit is NaN")
    const scores: Array<readonly [number, number]> = []
    Logits.scores(logits).forEach((score, id) => {
      if (score > 0) scores.push([id, score])
    })
    return {
      labels: Logits.toLabelMap(logits, width, height),
      scores,
      confidence: picture.confidence ? Logits.toConfidenceMap(logits, width, height).data : undefined
    }
  }
  const plane = dims.length === 4 && dims[1] === 1 ? dims.slice(2) : dims.length === 3 ? dims.slice(1) : []
  if (
    dims[0] === 1 &&
    plane.length === 2 &&
    (output.type.startsWith("int") || output.type.startsWith("uint"))
  ) {
    const [rows, columns] = plane
    const ids = toIds(data)
    const map = LabelMap.resize({ width: columns!, height: rows!, data: ids }, width, height)
    return { labels: map, scores: [], confidence: undefined }
  }
  throw new Error(
    `its output must be logits, float32 [1, classes, height, width], or class ids, integers of [1, height, width], but is ${output.type} of [${dims.join(", ")}]`
  )
}

const toIds = (data: Tensor.DataType): LabelData => {
  if (data instanceof Uint8Array) return data
  if (typeof data === "string" || !("length" in data)) throw new Error("class ids must be numbers")
  let largest = 0
  for (let i = 0; i < data.length; i++) {
    const id = Number(data[i])
    if (id < 0) throw new Error(`it gave the class id ${id}, and ids are not negative`)
    if (id > largest) largest = id
  }
  const ids = allocate(largest, data.length)
  for (let i = 0; i < data.length; i++) ids[i] = Number(data[i])
  return ids
}

const predict = async (
  loaded: Loaded,
  picture: Frames.Picture,
  input: Preprocessing.Input,
  started: number
) => {
  try {
    const output = await infer(loaded, input)
    const { confidence, labels, scores } = read(output, picture)
    output.dispose()
    if (confidence !== undefined) send({ type: "confidence" }, bytesOf(confidence))
    send(
      {
        type: "labels",
        width: labels.width,
        height: labels.height,
        bytesPerId: labels.data.BYTES_PER_ELEMENT,
        scores,
        milliseconds: performance.now() - started
      },
      bytesOf(labels.data)
    )
  } catch (cause) {
    send({ type: "failed", detail: reasonOf(cause) })
  }
}

let current: Loaded | undefined

const open = (message: Frames.ToSession): Frames.Sink => {
  if (message.type === "load") {
    return {
      push: () => {},
      end: () => {
        void load(message).then((result) => {
          if ("type" in result) return send(result)
          current = result
          return send({ type: "ready" })
        })
      }
    }
  }
  const loaded = current
  if (loaded === undefined) throw new Error("a picture came before the model was loaded")
  const started = performance.now()
  const input = Preprocessing.make(loaded.preprocessing, message.width, message.height)
  return {
    push: input.push,
    end: () => void predict(loaded, message, input.finish(), started)
  }
}

// A terminal sends Ctrl-C to every process of its group: when to end is the parent's to say, by closing the pipe.
process.on("SIGINT", () => {})
process.on("SIGTERM", () => {})
pipe.on("data", Frames.makeReader(open))
// `exit` runs no destructors of the runtime's thread pools that could hang.
pipe.on("end", () => process.exit(0))
pipe.on("error", () => process.exit(0))
