/** Code of this package that is loaded when it is first needed, and the error where it is gone by then. */
import { Effect, Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"

/** A part of this package, loaded when it is first needed, was replaced by a deployment or an update, or is out of reach. */
export class CodeNotLoaded extends ErrorKind.ofCaller<CodeNotLoaded>()("CodeNotLoaded", {
  /** What the platform says of it, with the address of the file. */
  detail: Schema.String
}) {
  override get message(): string {
    return `A part of effect-segformer cannot be loaded (${this.detail}). If it was replaced since the start, reload the page or restart the program`
  }
}

/** A module, loaded when it is asked for. Who keeps Vite's `vite:preloadError` from its default gets `undefined` for one that is gone. */
export const lazily = <A>(load: () => Promise<A>): Effect.Effect<A, CodeNotLoaded> =>
  Effect.tryPromise({
    try: () => load().then((module) => module ?? Promise.reject("nothing came")),
    catch: (cause) => new CodeNotLoaded({ detail: String(cause) })
  })
