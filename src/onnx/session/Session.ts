/**
 * One session as whoever gives it pictures sees it: a model that is loaded somewhere else, in a process or a worker, and
 * does one picture after the other. No Effect here, nor in what it imports: a session starts sooner without it.
 */
import type { Preprocessing } from "../../image/Preprocessing.ts"
import type { ConfidenceMap } from "../../mask/ConfidenceMap.ts"
import type { LabelMap } from "../../mask/LabelMap.ts"
import type { Logits } from "../../mask/Logits.ts"
import type { Uncertainty } from "../../mask/Uncertainty.ts"

/** A model in ONNX format: a file of this machine, or its bytes. */
export type Weights =
  | { readonly _tag: "File"; readonly path: string }
  /** With the files beside it that hold its weights, by their names. */
  | {
      readonly _tag: "Bytes"
      readonly bytes: Uint8Array
      readonly outside?: Readonly<Record<string, Uint8Array>> | undefined
    }

/** What its settings and whoever uses it say of a model. */
export interface Expected {
  /** One more than the largest id of a class; 0 where nothing says. */
  readonly classes: number
  /** Whether there may be more, which have no name. */
  readonly more?: boolean | undefined
  /** Of a model of one channel: what is above it is of class 1, and the rest of class 0. */
  readonly threshold?: number | undefined
  /** Of several outputs, the one to read. */
  readonly output?: string | undefined
}

/** What a session is to load. */
export interface Load {
  readonly weights: Weights
  /** Of one session. */
  readonly threads: number
  readonly preprocessing: Preprocessing
  readonly expected: Expected
}

/** What is wanted of a picture. */
export interface Wanted {
  readonly confidence: boolean
  /** How unsure the model is of the picture as a whole is wanted, too. */
  readonly uncertainty?: boolean | undefined
  /** Logits are wanted as they are, where the model gives any. */
  readonly logits?: boolean | undefined
}

export interface Picture extends Wanted {
  readonly width: number
  readonly height: number
  /** `[height, width, 3]`. */
  readonly data: Uint8Array
}

/** What a session makes of a picture. */
export type Outcome =
  | {
      readonly _tag: "Labels"
      readonly labelMap: LabelMap
      readonly confidence: ConfidenceMap | undefined
      readonly scores: ReadonlyMap<number, number>
      /** Where it was asked for, and the model gives logits. */
      readonly uncertainty: Uncertainty | undefined
      /** All the work of the session, transfer included. */
      readonly milliseconds: number
    }
  | { readonly _tag: "Logits"; readonly logits: Logits; readonly milliseconds: number }

/** What became of a picture. */
export type Ending =
  | { readonly _tag: "Done"; readonly outcome: Outcome }
  /** The model failed on it. */
  | { readonly _tag: "Failed"; readonly detail: string }
  /**
   * The session ended. `inModel`: this is the picture that it was at, and may have died of. One that was not, and whose pixels
   * had been handed over, comes back as `picture`.
   */
  | {
      readonly _tag: "Died"
      readonly detail: string
      readonly inModel: boolean
      readonly picture?: Picture | undefined
    }

/** Why a session cannot be. */
export interface Unusable {
  /** The runtime is not installed, there is none for this platform, a script of ours is gone, or the file is no model that can be used. */
  readonly reason: "runtime" | "platform" | "code" | "model"
  readonly detail: string
}

export interface SessionEvents {
  /** The model is loaded and warm. */
  readonly ready: () => void
  /** The model cannot be used. The session ends after it. */
  readonly unusable: (problem: Unusable) => void
  /** The session is gone, and with it the picture that it had, which has been reported. */
  readonly gone: () => void
}

export interface Session {
  /** Of its process, where it has one of its own. */
  readonly pid: number | undefined
  /**
   * How many more pictures it should be given: none before it is loaded; two where one can be prepared while the model
   * runs on the other.
   */
  readonly room: () => number
  /**
   * Calls back in the order of the pictures. Where the session dies, each is told so. What it gives says that nobody waits
   * for the picture any more: where the model has not begun with it, it never does.
   */
  readonly predict: (picture: Picture, begun: () => void, done: (ending: Ending) => void) => () => void
  /** Ends it at once, whatever it does. */
  readonly kill: () => void
}
