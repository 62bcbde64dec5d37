/** What goes between a program and the worker of a session. */
import type { Preprocessing } from "../../image/Preprocessing.ts"
import type { Expected } from "../session/Session.ts"
import type { Outcome, Picture, Unusable, Weights } from "../session/Session.ts"

/** Who multiplies: WebAssembly, or WebGPU where that is found to be right and faster. */
export type Backend = "wasm" | "webgpu"

export interface ToWorker {
  readonly load?: {
    readonly weights: Weights
    readonly threads: number
    readonly preprocessing: Preprocessing
    readonly expected: Expected
    readonly backend: Backend
    /** Where the files of ONNX Runtime are, where they are not beside it. */
    readonly assets: Assets | undefined
  }
  readonly picture?: Picture
}

/** Addresses of `ort-wasm-simd-threaded.mjs` and `.wasm`: a folder with both, or one each. */
export type Assets = string | { readonly mjs?: string | undefined; readonly wasm?: string | undefined }

export type FromWorker =
  /** `reason`: why it is this one, where there was something to choose. */
  | { readonly type: "ready"; readonly backend: Backend; readonly reason: string | undefined }
  | ({ readonly type: "unusable" } & Unusable)
  | { readonly type: "done"; readonly outcome: Outcome }
  | { readonly type: "failed"; readonly detail: string }
  /** The runtime is beyond use, and the worker with it. */
  | { readonly type: "broken"; readonly detail: string }
