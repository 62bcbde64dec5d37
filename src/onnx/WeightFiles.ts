/**
 * The files that a model in ONNX format consists of: which of them is meant by the names that people have for precisions,
 * and the ones beside it that hold its weights.
 */

/** File names without their ending, most likely first, by the names that people and `transformers.js` have for precisions. */
const precisions: Readonly<Record<string, ReadonlyArray<string>>> = {
  model: ["model"],
  fp32: ["model", "model_fp32"],
  fp16: ["model_fp16", "model_float16", "model_half"],
  q8: ["model_quantized", "model_q8", "model_int8"],
  quantized: ["model_quantized"],
  int8: ["model_int8", "model_quantized"],
  uint8: ["model_uint8"],
  q4: ["model_q4"],
  q4f16: ["model_q4f16"],
  bnb4: ["model_bnb4"]
}

/**
 * Where the model of a variant may be, most likely first: `model` for `onnx/model.onnx`; `fp16`, `q8`, `int8` and the like
 * for `onnx/model_fp16.onnx` and so on.
 */
export const named = (variant: string): ReadonlyArray<string> =>
  (Object.hasOwn(precisions, variant)
    ? precisions[variant]!
    : [variant.startsWith("model_") ? variant : `model_${variant}`]
  ).map((name) => `onnx/${name}.onnx`)

/** The name by which a file is asked for: `fp16` for `model_fp16.onnx`. */
export const variantOf = (file: string): string =>
  file
    .replace(/^.*\//, "")
    .replace(/\.onnx$/, "")
    .replace(/^model_/, "")

const key = Uint8Array.of(0x0a, 8, ...new TextEncoder().encode("location"), 0x12)

/** A graph with its weights outside is small, and one with them inside has no such entries. */
const searched = 256 * 1024 * 1024

/** More is no path. */
const longest = 1024

/** Whether a path leads to a file below the folder that it is taken from, on any system. */
const isBelow = (path: string): boolean =>
  // oxlint-disable-next-line no-control-regex -- names have none
  !/[\u0000-\u001f\\:]/.test(path) &&
  path.split("/").every((part) => part !== "" && part !== "." && part !== "..")

/**
 * The names of the files beside it that a model has its weights in; empty where it has them itself. They are read from the
 * entries of its tensors (`TensorProto.external_data`, key `location`), as paths below its folder. A name that leads elsewhere is
 * left out: ONNX Runtime refuses it.
 */
export const outside = (model: Uint8Array): ReadonlyArray<string> => {
  const names = new Set<string>()
  const end = Math.min(model.length, searched) - key.length
  for (let at = model.indexOf(0x0a); at >= 0 && at < end; at = model.indexOf(0x0a, at + 1)) {
    let i = 1
    while (i < key.length && model[at + i] === key[i]) i++
    if (i < key.length) continue
    // A name of up to 127 bytes has its length in one.
    const first = model[at + key.length]!
    const isLong = first > 127
    const length = isLong ? (first & 127) | (model[at + key.length + 1]! << 7) : first
    const from = at + key.length + (isLong ? 2 : 1)
    if (length > longest || from + length > model.length) continue
    const name = new TextDecoder().decode(model.subarray(from, from + length)).replace(/^(\.\/)+/, "")
    if (isBelow(name)) names.add(name)
  }
  return [...names]
}

const textOf = (start: Uint8Array): string =>
  new TextDecoder("latin1").decode(start.subarray(0, 100)).trimStart()

/** What a file is that came in the place of another; `undefined` where nothing speaks against it, be it a model or its weights. */
export const notTheFile = (start: Uint8Array): string | undefined => {
  if (start.length === 0) return "is empty"
  const text = textOf(start)
  if (text.startsWith("version https://git-lfs")) {
    return "is a placeholder of Git LFS, and not the file itself: fetch it with `git lfs pull`"
  }
  return /^<(?:!doctype|html|\?xml)/i.test(text)
    ? "is a page in HTML: there is no such file, or it wants a login"
    : undefined
}

/** What a file is that is no model, though it is called one; `undefined` where nothing speaks against it. */
export const notAModel = (start: Uint8Array): string | undefined => {
  const other = notTheFile(start)
  if (other !== undefined) return other
  const text = textOf(start)
  // A protobuf of ONNX begins with the version of its format, field 1; TensorFlow's and PyTorch's files do not.
  if (text.startsWith("PK")) return "is a zip file, such as one of PyTorch: export the model to ONNX"
  if (text.startsWith("{")) return "is JSON, and no model"
  if (text.slice(4, 8) === "TFL3") return "is a model for TensorFlow Lite: export the model to ONNX"
  return undefined
}

/** What ONNX Runtime says when it cannot load a model, in words for whoever has it. */
export const inWords = (reason: string): string => {
  if (/protobuf parsing failed|failed to parse|INVALID_PROTOBUF/i.test(reason)) {
    return "it is cut off or damaged, or no ONNX file: compare its size with that of the original"
  }
  if (/external/i.test(reason) && /out of bounds|read in full/i.test(reason)) {
    return "the file beside it with its weights is cut off, or of another model: compare its size with that of the original"
  }
  const outside =
    /(?:external data|GetFileLength|open file) .*?"?([\w. -]+\.(?:onnx[_.]data\w*|data|bin|weight))/i.exec(
      reason
    )
  if (outside !== null || /external data/i.test(reason)) {
    return `its weights are in another file${outside === null ? "" : `, ${outside[1]}`}, which must lie beside it`
  }
  const operator =
    /(?:No Op registered for|find an implementation for(?: the node [^:]*:)?|Could not find an implementation for) *([\w.]+)/i.exec(
      reason
    ) ?? /([\w.]+:\w+)(?:\([^)]*\))? is not a registered function\/op/i.exec(reason)
  const domain = /No opset import for domain '([^']+)'/i.exec(reason)
  if (domain !== null)
    return `it has operations of ${domain[1]}, of which it does not say the version: it is damaged`
  if (operator !== null) return `it has the operation ${operator[1]}, which this ONNX Runtime does not have`
  const opset = /opset (\d+) is under development(?:.*is till opset (\d+))?/i.exec(reason)
  if (opset !== null) {
    return `it is of an opset that this ONNX Runtime does not have${opset[2] === undefined ? "" : ` (${opset[2]} is the newest)`}: export it with an older one, such as 17`
  }
  const version = /Unsupported model IR version: (\d+), max supported IR version: (\d+)/i.exec(reason)
  if (version !== null) {
    return `it is of version ${version[1]} of ONNX, and this ONNX Runtime reads up to ${version[2]}: export it with an older opset, such as 17`
  }
  if (/out of memory|bad_alloc|failed to allocate/i.test(reason)) return "there is not enough memory for it"
  // Signatures of C++ functions and paths of their sources say nothing to whoever has the file.
  return reason
    .replaceAll(/\/\S+\.(?:cc|cpp|h):\d+ ?/g, "")
    .replaceAll(/(?:[\w:*&<>]+ )*[\w:~]+::[\w:~]+\([^)]*\)(?: const)? ?/g, "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, 400)
}
