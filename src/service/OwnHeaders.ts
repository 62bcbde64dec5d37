/** The headers of ours on every request, and what takes secrets out of texts: `Secrets` is loaded when there is one. */
import { Effect, Redacted } from "effect"
import { type CodeNotLoaded, lazily } from "./CodeNotLoaded.ts"
import { type Hide, nothing } from "./Hiding.ts"

/** The headers of ours. A value that no header may carry is a defect. */
export const make = (options: {
  readonly apiKey?: Redacted.Redacted | undefined
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
}): Readonly<Record<string, string>> => {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    headers[name.toLowerCase()] = Redacted.isRedacted(value) ? Redacted.value(value) : value
  }
  // From plain JavaScript: its own words would be of no option.
  if (options.apiKey !== undefined && !Redacted.isRedacted(options.apiKey))
    throw new RangeError("`apiKey` must be one that no log shows: Redacted.make(key)")
  if (options.apiKey !== undefined) headers["authorization"] = `Bearer ${Redacted.value(options.apiKey)}`
  for (const [name, value] of Object.entries(headers)) {
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      throw new RangeError(`The value of the header \`${name}\` has characters that none may carry`)
    }
  }
  return headers
}

const secrets = lazily(() => import("./Secrets.ts"))

/** What takes these secrets out of a text: those named, and those of headers. */
export const hidingOf = (
  named: ReadonlyArray<string>,
  headers: Readonly<Record<string, string | Redacted.Redacted>> = {}
): Effect.Effect<Hide, CodeNotLoaded> =>
  named.length === 0 && Object.keys(headers).length === 0
    ? Effect.succeed(nothing)
    : Effect.map(secrets, (Secrets) => Secrets.make([...named, ...Secrets.ofHeaders(headers)]))
