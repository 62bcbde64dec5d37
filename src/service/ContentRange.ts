/** Which part of a file an answer brings, as its `Content-Range` says it (RFC 9110, section 14.4). */
import type { Headers } from "effect/http"
import { isCompressed } from "./Body.ts"

export interface ContentRange {
  /** The first byte and the last one; neither where none of those that were asked for are there (416). */
  readonly first: number | undefined
  readonly last: number | undefined
  /** Bytes of the whole, where they are told. */
  readonly total: number | undefined
}

const count = (digits: string | undefined): number | undefined =>
  digits === undefined || digits === "*" ? undefined : Number(digits)

/** What the header says; `undefined` where it is missing, or cannot be read. */
export const read = (headers: Headers.Headers): ContentRange | undefined => {
  const found = /^\s*bytes(?:\s+|\s*=\s*)(?:(\d{1,15})-(\d+)|\*)\/(\d{1,15}|\*)\s*$/i.exec(
    headers["content-range"] ?? ""
  )
  return found === null
    ? undefined
    : { first: count(found[1]), last: count(found[2]), total: count(found[3]) }
}

/** The length in bytes that the answer states of what it sends. */
export const statedLength = (headers: Headers.Headers): number | undefined => {
  const text = headers["content-length"]?.trim() ?? ""
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/**
 * What an answer with a status for whole files (200) says that it is a part of, in words. The header means nothing there, but
 * some servers and caches before them send a part so: taken for the whole, it is a file that was cut off. It is the whole where it
 * is as long as that.
 */
export const partOf = (headers: Headers.Headers): string | undefined => {
  const range = read(headers)
  const length = isCompressed({ headers }) ? undefined : statedLength(headers)
  if (range === undefined || (length !== undefined && length === range.total)) return undefined
  const { first = 0, last, total = 0 } = range
  const isPart = first > 0 || (last ?? total) + 1 < total || (length ?? total) < total
  return isPart ? headers["content-range"]?.trim() : undefined
}
