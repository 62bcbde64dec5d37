/**
 * What image processing has to say beside its result: that a class which was asked for is none of the model's, say. It is a
 * line in the log, unless whoever serves an answer takes it for a part of it.
 */
import { Context, Effect } from "effect"

/** Told of each warning of the work within. */
export const Warn = Context.Reference<(message: string) => Effect.Effect<void>>(
  "effect-segformer/companions/ImageWarnings/Warn",
  { defaultValue: () => (message) => Effect.logWarning(message) }
)

/** Tells a warning. */
export const warn = (message: string): Effect.Effect<void> => Effect.flatMap(Warn, (tell) => tell(message))

/** The result of some work, and the warnings that were told meanwhile. */
export const collect = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, ReadonlyArray<string>], E, R> =>
  Effect.suspend(() => {
    const warnings: Array<string> = []
    return Effect.map(
      Effect.provideService(self, Warn, (message) => Effect.sync(() => void warnings.push(message))),
      (value) => [value, warnings] as const
    )
  })

/** As a quoted string of a header; letters that none may carry as JSON has them. */
const quoted = (text: string): string =>
  `"${text
    .slice(0, 1000)
    .replaceAll(/["\\]/g, (letter) => `\\${letter}`)
    .replaceAll(/[^\x20-\x7e]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`

/** Warnings as the header `Warning` carries them (RFC 7234): `299 - "The model has no class \"face\""`. */
export const toHeader = (warnings: ReadonlyArray<string>): string =>
  warnings.map((text) => `299 - ${quoted(text)}`).join(", ")

/** The texts in such a header. */
export const fromHeader = (header: string | undefined): ReadonlyArray<string> =>
  Array.from((header ?? "").matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g), ([, text = ""]) =>
    text.replaceAll(/\\(?:u([\da-f]{4})|(.))/gi, (_, digits?: string, letter?: string) =>
      digits === undefined ? (letter ?? "") : String.fromCharCode(Number.parseInt(digits, 16))
    )
  )
