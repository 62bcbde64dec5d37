/** What failures of the runtime in WebAssembly mean: it says little, and sometimes a number alone. */
import { reasonOf } from "../session/Graph.ts"
import * as WeightFiles from "../WeightFiles.ts"

/**
 * Why a runtime does nothing right any more: its memory has run out, or it stopped in the middle. `undefined` where only this
 * one picture failed.
 */
export const brokenBy = (cause: unknown): string | undefined => {
  // A number is the address of an error of C++ that nobody caught.
  const isNumber = typeof cause === "number"
  const isMemory = isNumber || cause instanceof RangeError || /out of memory|bad_alloc/i.test(reasonOf(cause))
  if (!isMemory && !(cause instanceof WebAssembly.RuntimeError) && !/Aborted\(/.test(reasonOf(cause)))
    return undefined
  const words = isNumber ? `error ${cause}` : reasonOf(cause)
  return isMemory ? `${words}: the picture may need more memory than WebAssembly can have, 4 GiB` : words
}

/** Why a model was not loaded: it is no model, or the runtime's own files were not found. */
export const notLoaded = (what: string, cause: unknown): string =>
  /no available backend found/.test(reasonOf(cause))
    ? `the files of ONNX Runtime cannot be loaded (${reasonOf(cause)}). Give \`assets\`, the address of the folder with ort-wasm-simd-threaded.mjs and ort-wasm-simd-threaded.wasm`
    : `ONNX Runtime does not load ${what}: ${typeof cause === "number" ? `error ${cause}` : WeightFiles.inWords(reasonOf(cause, 4000))}`
