/** What takes secrets out of texts, for those who have some. How one is found is `Secrets`. */
/** Takes secrets out of a text. */
export type Hide = (text: string) => string

/** For those who have no secrets. */
export const nothing: Hide = (text) => text

/** Longer texts are cut where secrets are taken out: no error quotes more than 200 characters. */
export const longest = 16 * 1024

/** Both, one after the other. */
export const both = (first: Hide, second: Hide): Hide =>
  first === nothing ? second : second === nothing ? first : (text) => second(first(text))

/** Whether a header, a field or a parameter of this name usually holds a secret. */
export const isSecretName = (name: string): boolean =>
  /auth|key$|key_|token|secret|cookie|passw|pwd|credential|signature|session|^sig$|^code$/i.test(
    name.replaceAll("-", "_")
  )

/** A word of a URL's query that is long enough to be a secret, whatever its name. */
const longEnough = 8

/** The secrets of a URL's query: by their names, or by their length. */
export const ofQuery = (search: string): ReadonlyArray<string> =>
  [...new URLSearchParams(search)].flatMap(([name, value]) =>
    value.length >= longEnough || isSecretName(name) ? [value] : []
  )
