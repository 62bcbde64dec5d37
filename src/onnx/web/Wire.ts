/**
 * What goes between a program and the two workers of a session: one runs the model, and the other does all that stands around it.
 * Both are the same module.
 */
import type { Output } from "../session/Output.ts"
import type { Settings } from "../session/Pipeline.ts"
import type { Expected, Outcome, Picture, Unusable, Weights } from "../session/Session.ts"

/** Who multiplies: WebAssembly, or WebGPU where that is found to be right and faster. */
export const backends = ["wasm", "webgpu"] as const
export type Backend = (typeof backends)[number]

export interface Load {
  readonly weights: Weights
  readonly threads: number
  readonly expected: Expected
  readonly backend: Backend
  /** Where the files of ONNX Runtime are, where they are not beside it. */
  readonly assets: Assets | undefined
}

export type ToWorker =
  /** It is to run the model for who has the other end of the port. */
  | { readonly type: "model"; readonly load: Load; readonly port: MessagePort }
  /** It is to do what stands around the model that is at the other end. */
  | { readonly type: "around"; readonly settings: Settings; readonly port: MessagePort }
  | { readonly type: "picture"; readonly picture: Picture }
  /** Nobody waits any more for the picture of this number, counted from 0. */
  | { readonly type: "cancel"; readonly number: number }
  /** The model is gone: what is not answered is wanted back. */
  | { readonly type: "giveBack" }

/** Addresses of `ort-wasm-simd-threaded.mjs` and `.wasm`: a folder with both, or one each. */
export type Assets = string | { readonly mjs?: string | undefined; readonly wasm?: string | undefined }

export type FromWorker =
  /** `reason`: why it is this backend, where there was something to choose. */
  | { readonly type: "ready"; readonly reason: string | undefined }
  | ({ readonly type: "unusable" } & Unusable)
  /** The model has begun with the picture of this number. */
  | { readonly type: "begun"; readonly number: number }
  | { readonly type: "done"; readonly outcome: Outcome }
  | { readonly type: "failed"; readonly detail: string }
  /** The runtime is beyond use, and the worker with it. */
  | { readonly type: "broken"; readonly detail: string }
  /** By their numbers. */
  | { readonly type: "back"; readonly pictures: ReadonlyMap<number, Picture> }

/** `data` holds `[1, 3, height, width]`. */
export interface Run {
  readonly type: "run"
  readonly number: number
  readonly data: Float32Array
  readonly width: number
  readonly height: number
}

/** Runs come ahead: each is begun with when the one before is done, and answered in its turn. */
export type ToModel = Run | { readonly type: "cancel"; readonly number: number }

export type FromModel =
  /** The first, with the sizes that the model is bound to, where it is. */
  | {
      readonly type: "loaded"
      readonly height: number | undefined
      readonly width: number | undefined
      readonly reason: string | undefined
    }
  | { readonly type: "begun" }
  | ({ readonly type: "output" } & Output)
  | { readonly type: "failed"; readonly detail: string }
