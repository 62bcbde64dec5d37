/** What takes secrets out of texts: `Secrets` is loaded when there is one. */
import { Effect, type Redacted } from "effect"
import { type Hide, nothing } from "./Hiding.ts"
import { type CodeNotLoaded, lazily } from "./CodeNotLoaded.ts"

const secrets = lazily(() => import("./Secrets.ts"))

/** What takes these secrets out of a text: those named, and those of headers. */
export const hidingOf = (
  named: ReadonlyArray<string>,
  headers: Readonly<Record<string, string | Redacted.Redacted>> = {}
): Effect.Effect<Hide, CodeNotLoaded> =>
  named.length === 0 && Object.keys(headers).length === 0
    ? Effect.succeed(nothing)
    : Effect.map(secrets, (Secrets) => Secrets.make([...named, ...Secrets.ofHeaders(headers)]))
