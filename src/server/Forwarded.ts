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

/** A name, and behind it a word or a text in quotes; or nothing, which a list may have too. */
const pair = /\s*(?:([\w!#$%&'*+.^`|~-]+)=(?:([^\s",;]+)|"((?:[^"\\]|\\.)*)"))?\s*(?:;|$)/y

/** What stands between commas outside of quotes, from the last on: nothing that a caller wrote first changes what comes behind it. */
function* itemsOf(text: string): Iterable<string> {
  let end = text.length
  let isQuoted = false
  for (let at = end - 1; at >= 0; at--) {
    let before = at
    if (text[at] === '"') {
      while (text[before - 1] === "\\") before--
      if ((at - before) % 2 === 0) isQuoted = !isQuoted
    } else if (text[at] === "," && !isQuoted) {
      yield text.slice(at + 1, end)
      end = at
    }
  }
  yield text.slice(0, end)
}

/** What a proxy says; `undefined`, where it is not written as it should be. */
const hopOf = (item: string): Hop | undefined => {
  const hop: Record<string, string> = {}
  for (let at = 0; at < item.length; at = pair.lastIndex) {
    pair.lastIndex = at
    const found = pair.exec(item)
    if (found === null) return undefined
    const [, name, word, quoted = ""] = found
    if (name !== undefined) hop[name.toLowerCase()] = word ?? quoted.replaceAll(/\\(.)/g, "$1")
  }
  return hop
}

/** The hops from the first to the last, from the last one on that is not written as it should be: what that one says is lost. */
export const hopsOf = (header = ""): ReadonlyArray<Hop> => {
  const hops: Array<Hop> = []
  for (const item of itemsOf(header)) {
    if (item.trim() === "") continue
    const hop = hopOf(item)
    hops.unshift(hop ?? {})
    if (hop === undefined) break
  }
  return hops
}
