/**
 * The headers of ours on every request.
 */
import { Redacted } from "effect"

/** The headers of ours. A value that no header may carry is a defect. */
export const make = (options: {
  readonly apiKey?: Redacted.Redacted | undefined
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
}): Readonly<Record<string, string>> => {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    headers[name.toLowerCase()] = Redacted.isRedacted(value) ? Redacted.value(value) : value
  }
  if (options.apiKey !== undefined) headers["authorization"] = `Bearer ${Redacted.value(options.apiKey)}`
  for (const [name, value] of Object.entries(headers)) {
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      throw new RangeError(`The value of the header \`${name}\` has characters that none may carry`)
    }
  }
  return headers
}
