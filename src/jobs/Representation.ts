/**
 * What the headers of an answer say of the file that it is, or is a part of: its length, its ETag, its name, its digests
 * (RFC 9530, RFC 3230), and which part it is (RFC 9110).
 */
import type { Headers } from "effect/http"
import * as Base64 from "../service/Base64.ts"
import * as ContentRange from "../service/ContentRange.ts"
import * as FileName from "./FileName.ts"
import * as Hashing from "./Hashing.ts"
import * as PartialFile from "./PartialFile.ts"
import { isCompressed } from "../service/Body.ts"

/** Whether bytes are sent as they are in the file: compressed ones have another length, and other digests. */
const isPlain = (headers: Headers.Headers): boolean => !isCompressed({ headers })

const strongEtag = (headers: Headers.Headers): string | undefined => {
  const etag = headers["etag"]?.trim()
  return etag !== undefined && PartialFile.strongEtag.test(etag) ? etag : undefined
}

/** Digests in a header: `sha-256=:base64:` and the older `SHA-256=base64`, in hexadecimal. */
const digestsIn = (header: string | undefined): { sha256?: string; md5?: string } => {
  const found: { sha256?: string; md5?: string } = {}
  for (const [, algorithm, value] of (header ?? "").matchAll(
    /([a-z0-9-]+)\s*=\s*:?([a-z0-9+/]+={0,2}):?/gi
  )) {
    const bytes = Base64.decode(value!)
    const name = algorithm!.toLowerCase()
    if (name === "sha-256" && bytes?.length === 32) found.sha256 = Hashing.toHex(bytes)
    if (name === "md5" && bytes?.length === 16) found.md5 = Hashing.toHex(bytes)
  }
  return found
}

/** What a whole answer (200) says of its file. */
export const ofWhole = (headers: Headers.Headers, url: URL): PartialFile.Start => {
  const plain = isPlain(headers)
  // `Content-MD5` and `Content-Digest` are of what is sent, which here is the whole.
  const digests = plain
    ? {
        ...digestsIn(`md5=${headers["content-md5"] ?? ""}`),
        ...digestsIn(headers["digest"]),
        ...digestsIn(headers["content-digest"]),
        ...digestsIn(headers["repr-digest"])
      }
    : {}
  const mediaType = headers["content-type"]?.split(";", 1)[0]?.trim()
  return {
    // Parts of a compressed file cannot be put together.
    etag: plain ? strongEtag(headers) : undefined,
    modified: headers["last-modified"],
    length: plain ? ContentRange.statedLength(headers) : undefined,
    name: FileName.clean(FileName.ofDisposition(headers["content-disposition"]) ?? FileName.ofUrl(url)),
    mediaType,
    digests: { "sha-256": digests.sha256, md5: digests.md5 }
  }
}

/** Whether what comes can be checked by a digest once all of it is there. */
const hasDigest = ({ digests }: PartialFile.Start): boolean =>
  digests["sha-256"] !== undefined || digests.md5 !== undefined

/**
 * Whether an answer is of the file that was begun. One without an ETag is of a server that may know no `If-Range`: it is of the
 * same file where its date is the same, or where a digest will tell.
 */
const isSame = (headers: Headers.Headers, start: PartialFile.Start, isChecked: boolean): boolean => {
  const etag = headers["etag"]?.trim()
  const modified = headers["last-modified"]
  return etag === undefined
    ? isChecked || hasDigest(start) || (modified !== undefined && modified === start.modified)
    : etag === start.etag
}

/**
 * What is known of the file that was begun, once a part (206) goes on with it from there, and where the part ends; `undefined`
 * where it may be of another file, or nobody says how long the whole is.
 */
export const goneOn = (
  headers: Headers.Headers,
  start: PartialFile.Start,
  received: number,
  isChecked: boolean
): { readonly start: PartialFile.Start; readonly end: number } | undefined => {
  const range = ContentRange.read(headers)
  if (range?.last === undefined || range.first !== received) return undefined
  const length = start.length ?? range.total
  return isPlain(headers) &&
    isSame(headers, start, isChecked) &&
    length !== undefined &&
    (range.total ?? length) === length
    ? { start: { ...start, length }, end: Math.min(range.last + 1, length) }
    : undefined
}

/**
 * Whether all of the file is there, by an answer that none of the rest is (416): `"yes"`, or `"perhaps"` where it names no ETag,
 * as most do not, so that the file may be another of the same length.
 */
export const isAll = (
  headers: Headers.Headers,
  start: PartialFile.Start,
  received: number,
  isChecked: boolean
): "yes" | "perhaps" | "no" => {
  if (ContentRange.read(headers)?.total !== received || (start.length ?? received) !== received) return "no"
  if (isSame(headers, start, isChecked)) return "yes"
  return headers["etag"] === undefined ? "perhaps" : "no"
}
