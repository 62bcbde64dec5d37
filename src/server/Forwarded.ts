/**
 * `Forwarded` (RFC 7239): what proxies say of a request in one header, a hop after the other. Where a proxy writes the older
 * `X-Forwarded-*` as well, or lets one of the two pass as a caller wrote it, the older ones are what is read.
 */

/** What one proxy says: from whom it has the request, and by which name and scheme it was asked. */
export interface Hop {
  readonly for?: string
  readonly host?: string
  readonly proto?: string
}

/** A name, and behind it a word or a text in quotes. */
const pair = /\s*([\w!#$%&'*+.^`|~-]+)=(?:([^\s",;]+)|"((?:[^"\\]|\\.)*)")\s*([,;]|$)/y

/** The hops from the first to the last; none of a header that is not written as it should be. */
export const hopsOf = (header: string | undefined): ReadonlyArray<Hop> => {
  const text = header ?? ""
  const hops: Array<Hop> = []
  let hop: Record<string, string> = {}
  for (let at = 0; at < text.length; at = pair.lastIndex) {
    pair.lastIndex = at
    const found = pair.exec(text)
    if (found === null) return []
    const [, name = "", word, quoted = "", end] = found
    hop[name.toLowerCase()] = word ?? quoted.replaceAll(/\\(.)/g, "$1")
    if (end === ";" && pair.lastIndex < text.length) continue
    hops.push(hop)
    hop = {}
  }
  return hops
}
