/**
 * NumPy's `.npy` files: arrays as `numpy.save` writes and `numpy.load` reads them (format 1.0 to 3.0), integers of
 * 8 to 64 bits, floats and booleans, in either order of bytes and of axes.
 *
 * ```ts
 * import { Result } from "effect"
 * import { LabelMap, Npy } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 3, height: 2, data: Uint8Array.of(0, 1, 2, 3, 4, 5) })
 * const bytes = Npy.fromLabelMap(map)
 * Result.getOrThrow(Npy.decode(bytes)).shape // => [2, 3]
 * Result.getOrThrow(Npy.toLabelMap(bytes)).data // => Uint8Array.of(0, 1, 2, 3, 4, 5)
 * ```
 */
import { Result } from "effect"
import { allocate, type LabelMap } from "./LabelMap.ts"
import { failing, type MaskNotDecodable } from "./MaskError.ts"

export type NpyData =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Float32Array
  | Float64Array

/** `data` holds the elements in the order of `shape`, the last axis fastest. */
export interface NpyArray {
  readonly shape: ReadonlyArray<number>
  readonly data: NpyData
}

/** The file of an array. */
export const encode = (array: NpyArray): Uint8Array => {
  const { data, shape } = array
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ")
  const text = `{'descr': '${describe(data)}', 'fortran_order': False, 'shape': (${sizes}), }`
  // Data begins at a multiple of 64 bytes, after a header that ends in a line feed.
  const padding = 64 - ((10 + text.length + 1) % 64)
  const header = text + " ".repeat(padding % 64) + "\n"
  const bytes = new Uint8Array(10 + header.length + data.byteLength)
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 0xff, header.length >> 8])
  for (let i = 0; i < header.length; i++) bytes[10 + i] = header.charCodeAt(i)
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length)
  return bytes
}

/** Elements by NumPy's names for them, in the order of bytes of this machine. */
const types: Readonly<Record<string, new (buffer: ArrayBuffer) => NpyData | BigInt64Array | BigUint64Array>> =
  {
    u1: Uint8Array,
    u2: Uint16Array,
    u4: Uint32Array,
    u8: BigUint64Array,
    i1: Int8Array,
    i2: Int16Array,
    i4: Int32Array,
    i8: BigInt64Array,
    f4: Float32Array,
    f8: Float64Array,
    b1: Uint8Array
  }

const describe = (data: NpyData): string => {
  // The clamped bytes of a canvas are bytes too.
  const name = data[Symbol.toStringTag].replace("Clamped", "")
  const [type] = Object.entries(types).find(([, type]) => type.name === name)!
  return (data.BYTES_PER_ELEMENT === 1 ? "|" : "<") + type
}

/** The file of a label map: `[height, width]` unsigned integers. */
export const fromLabelMap = (map: LabelMap): Uint8Array =>
  encode({ shape: [map.height, map.width], data: map.data })

/**
 * The array of a file. Booleans become 0 and 1; integers of 64 bits become floats of 64, and fail where those cannot
 * hold them.
 */
export const decode = (bytes: Uint8Array, name = "npy"): Result.Result<NpyArray, MaskNotDecodable> => {
  const fail = failing(name)
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
  if (magic.some((byte, i) => bytes[i] !== byte)) return fail("it is no .npy file")
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = bytes[6] === 1 ? 10 : 12
  if (bytes.length < start) return fail(`it ends after ${bytes.length} bytes, within its header`)
  if (bytes[6]! < 1 || bytes[6]! > 3) return fail(`its format is ${bytes[6]}.${bytes[7]}`)
  const offset = start + (start === 10 ? view.getUint16(8, true) : view.getUint32(8, true))
  if (offset > bytes.length) return fail(`it ends after ${bytes.length} bytes, within its header`)
  const header = new TextDecoder().decode(bytes.subarray(start, offset))
  const type = /'descr':\s*'([<>|=])([biuf])([1248])'/.exec(header)
  const order = /'fortran_order':\s*(True|False)/.exec(header)
  const sizes = /'shape':\s*\(([\d,\s]*)\)/.exec(header)
  if (type === null || order === null || sizes === null) return fail(`its header is ${header.trim()}`)
  const shape = sizes[1]!
    .split(",")
    .map((size) => size.trim())
    .filter((size) => size !== "")
    .map(Number)
  const length = shape.reduce((product, size) => product * size, 1)
  const size = Number(type[3])
  const Elements = types[`${type[2]}${size}`]
  if (Elements === undefined) return fail(`its elements are ${type[2]}${size}`)
  if (!Number.isSafeInteger(length) || bytes.length - offset !== length * size) {
    return fail(`[${shape.join(", ")}] elements of ${size} bytes, but ${bytes.length - offset} bytes of data`)
  }
  const own = new Uint8Array(bytes.subarray(offset))
  if (type[1] === ">") {
    for (let i = 0; i < own.length; i++) own[i] = bytes[offset + i - (i % size) + size - 1 - (i % size)]!
  }
  const elements = new Elements(own.buffer)
  const isBig = elements instanceof BigInt64Array || elements instanceof BigUint64Array
  const data = isBig ? Float64Array.from(elements, Number) : elements
  if (type[2] === "b") for (const [i, value] of data.entries()) data[i] = Math.min(1, value)
  if (isBig && data.some((value) => !Number.isSafeInteger(value)))
    return fail("an integer needs more than 53 bits")
  return Result.succeed({
    shape,
    data: order[1] === "True" ? reordered(data, shape, data.slice()) : data
  })
}

/** Elements with the first axis fastest, put in the order with the last axis fastest. */
const reordered = (data: NpyData, shape: ReadonlyArray<number>, out: NpyData): NpyData => {
  const strides: Array<number> = []
  let stride = 1
  for (const size of shape) {
    strides.push(stride)
    stride *= size
  }
  const place = shape.map(() => 0)
  let from = 0
  for (let i = 0; i < data.length; i++) {
    out[i] = data[from]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place[axis]!++
      from += strides[axis]!
      if (place[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      place[axis] = 0
    }
  }
  return out
}

/** The label map of a file of `[height, width]` integers; axes of length 1 before them are allowed, and one behind them. */
export const toLabelMap = (bytes: Uint8Array, name = "npy"): Result.Result<LabelMap, MaskNotDecodable> =>
  Result.flatMap(decode(bytes, name), ({ data, shape }) => {
    const fail = failing(name)
    // Of an array of channels there is one.
    const [height, width] = shape.length === 3 && shape[0] !== 1 && shape[2] === 1 ? shape : shape.slice(-2)
    if (height === undefined || width === undefined || data.length === 0 || data.length !== height * width) {
      return fail(`its shape is [${shape.join(", ")}], not that of one label map`)
    }
    if (data instanceof Uint8Array || data instanceof Uint16Array || data instanceof Uint32Array) {
      return Result.succeed({ width, height, data })
    }
    let maxId = 0
    for (const [i, value] of data.entries()) {
      if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
        return fail(`element ${i} is ${value}, no id`)
      if (value > maxId) maxId = value
    }
    const ids = allocate(maxId, data.length)
    ids.set(data)
    return Result.succeed({ width, height, data: ids })
  })
