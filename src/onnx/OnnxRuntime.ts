/**
 * Who runs a model in ONNX format: a small service, so that the same program segments on Node's own runtime
 * (`NativeRuntime` of `effect-segformer/onnx`) and wherever there is WebAssembly (`WebRuntime` of
 * `effect-segformer/onnx/web`). Everything else is the same for both: the model's folder, what comes before the model and
 * after it, the pool of sessions, and who waits for what.
 */
import { Context, type Effect } from "effect"
import type { Load, Session, SessionEvents } from "./session/Session.ts"

/** Who runs a model in ONNX format. */
export class OnnxRuntime extends Context.Service<
  OnnxRuntime,
  {
    /** The package that brings it, which errors say to install. */
    readonly package: string
    /** How many threads there are to be divided among the sessions. */
    readonly threads: number
    /** Starts a session: where the runtime runs apart, so that whoever calls goes on. */
    readonly start: (load: Load, events: SessionEvents) => Session
    /** What it chose to run the latest session by, and why, where there was something to choose. */
    readonly choice?: Effect.Effect<string | undefined> | undefined
  }
>()("effect-segformer/onnx/OnnxRuntime") {}
