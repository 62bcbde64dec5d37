/**
 * The headers of ours on every request, and what keeps the secrets among them out of errors.
 */
import { Redacted } from "effect"

/** Longer bodies are data, and are not searched for secrets. */
const quotedBytes = 64 * 1024

/** Characters of the shortest secret that is looked for in data. */
const shortestInData = 8

/** Takes secrets out of what other sides say: some repeat the key that they refuse. */
export interface Hide {
  readonly text: (text: string) => string
  /**
   * Only what is short enough to be an error, or to be quoted by one. Of data, only secrets that are long enough not to
   * stand in it by chance: a picture in base64 soon has any three letters.
   */
  readonly bytes: (bytes: Uint8Array, isData: boolean) => Uint8Array
}

/** The headers of ours, and what keeps their secrets out of errors. A value that no header may carry is a defect. */
export const make = (options: {
  readonly apiKey?: Redacted.Redacted | undefined
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
}): { readonly headers: Readonly<Record<string, string>>; readonly hide: Hide } => {
  const headers: Record<string, string> = {}
  const secrets: Array<string> = []
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (Redacted.isRedacted(value)) secrets.push(Redacted.value(value))
    headers[name.toLowerCase()] = Redacted.isRedacted(value) ? Redacted.value(value) : value
  }
  if (options.apiKey !== undefined) {
    secrets.push(Redacted.value(options.apiKey))
    headers["authorization"] = `Bearer ${Redacted.value(options.apiKey)}`
  }
  for (const [name, value] of Object.entries(headers)) {
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      throw new RangeError(`The value of the header \`${name}\` has characters that none may carry`)
    }
  }
  const without = (value: string, shortest: number) =>
    secrets.reduce(
      (hidden, secret) => (secret.length < shortest ? hidden : hidden.replaceAll(secret, "<redacted>")),
      value
    )
  const text = (value: string) => without(value, 1)
  const bytes = (value: Uint8Array, isData: boolean) => {
    if (secrets.length === 0 || value.length > quotedBytes) return value
    const before = new TextDecoder().decode(value)
    const after = without(before, isData ? shortestInData : 1)
    return before === after ? value : new TextEncoder().encode(after)
  }
  return { headers, hide: { text, bytes } }
}
