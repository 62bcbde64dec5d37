/**
 * Exit codes of the command, for scripts:
 *
 * | code | meaning |
 * |---|---|
 * | 0 | all is well |
 * | 1 | some images failed |
 * | 2 | the command line is wrong |
 * | 3 | the service or the model cannot be used |
 * | 141 | nobody reads standard output any more (`| head`), or it cannot be written |
 * | 130, 143 | interrupted (Ctrl-C), terminated (SIGTERM, or SIGHUP as the terminal closes); a server that was told to stop ends with 0 |
 */
import { Cause, Effect, type Exit, Schema } from "effect"
import type { NotWritten } from "../files/NotWritten.ts"
import { lazily } from "../service/CodeNotLoaded.ts"
import * as Words from "./Words.ts"

export const someFailed = 1
export const usage = 2
export const unavailable = 3
export const interrupted = 130
export const unread = 141
export const terminated = 143

/** How this process was told to stop, as far as the exit code depends on it. */
export const stop = {
  /** By SIGTERM. */
  terminated: false,
  /** Because nothing can be written to standard output. */
  unread: false,
  /** What ran was a server, which has no other way to end well. */
  served: false,
  /** And that was said. */
  told: false
}

/** The command ends with a code, having said why. */
export class Ended extends Schema.TaggedError<Ended>()("Ended", {
  code: Schema.Int,
  /** One line for standard error; undefined where all is said. */
  reason: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return this.reason ?? `exit code ${this.code}`
  }
}

/** The end of a command whose words, or whose environment, are wrong. */
export const wrong = (reason: string): Ended => new Ended({ code: usage, reason })

/** The end of a command whose work could not be done. */
export const failed = (reason: string): Ended => new Ended({ code: someFailed, reason })

/** The end of a command by an error, which says why. */
export const by =
  (code: number) =>
  ({ message }: { readonly message: string }): Ended =>
    new Ended({ code, reason: Words.plain(message) })

/** A module of this command, loaded now that there is work for it. */
export const loaded = <A>(load: () => Promise<A>): Effect.Effect<A, Ended> =>
  Effect.mapError(lazily(load), by(unavailable))

/** A file could not be written. */
export const notWritten = ({ path, reason }: Pick<NotWritten, "path" | "reason">): Ended =>
  failed(`cannot write ${path}: ${reason}`)

/** The code of an exit. */
export const of = (exit: Exit.Exit<unknown, unknown>): number => {
  if (stop.unread) return unread
  if (exit._tag === "Success") return 0
  if (Cause.hasInterruptsOnly(exit.cause)) {
    return stop.served ? 0 : stop.terminated ? terminated : interrupted
  }
  const error = Cause.squash(exit.cause)
  if (error instanceof Ended) return error.code
  // What is left of typed failures are those of the parser.
  return exit.cause.reasons.some((reason) => reason._tag === "Fail") ? usage : someFailed
}
