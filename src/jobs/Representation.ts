/**
 * What the headers of an answer say of the file that it is, or is a part of: its length, its ETag, its name, its digests
 * (RFC 9530, RFC 3230), and which part it is (RFC 9110).
 */
import type { Headers } from "effect/http"
import * as Base64 from "../service/Base64.ts"
import * as FileName from "./FileName.ts"
import * as Hashing from "./Hashing.ts"
import type { Start } from "./PartialFile.ts"
import { isCompressed } from "../service/Body.ts"

/** Whether bytes are sent as they are in the file: compressed ones have another length, and other digests. */
const isPlain = (headers: Headers.Headers): boolean => !isCompressed({ headers })

const whole = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text.trim()) ? Number(text) : undefined

/** An ETag that promises the same bytes: a weak one does not. */
const strongEtag = (headers: Headers.Headers): string | undefined => {
  const etag = headers["etag"]?.trim()
  return etag !== undefined && /^"[^"]*"$/.test(etag) ? etag : undefined
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
export const ofWhole = (headers: Headers.Headers, url: URL): Start => {
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
    length: plain ? whole(headers["content-length"]) : undefined,
    name: FileName.clean(FileName.ofDisposition(headers["content-disposition"]) ?? FileName.ofUrl(url)),
    mediaType,
    digests: { "sha-256": digests.sha256, md5: digests.md5 }
  }
}

/** Whether what comes can be checked by a digest once all of it is there. */
const hasDigest = ({ digests }: Start): boolean =>
  digests["sha-256"] !== undefined || digests.md5 !== undefined

/**
 * What is known of the file that was begun, once a part (206) goes on with it from there; `undefined` where the part may be of
 * another file, or nobody says how long the whole is. A part without an ETag is of a server that may know no `If-Range`: it
 * is the same file where its date is the same, or where a digest will tell.
 */
export const goneOn = (
  headers: Headers.Headers,
  start: Start,
  received: number,
  isChecked: boolean
): Start | undefined => {
  const [, first, total] =
    /^\s*bytes(?:\s+|\s*=\s*)(\d+)-\d+\/(\d+|\*)\s*$/i.exec(headers["content-range"] ?? "") ?? []
  const etag = headers["etag"]?.trim()
  const modified = headers["last-modified"]
  const length = start.length ?? whole(total)
  const isSame =
    etag === undefined
      ? isChecked || hasDigest(start) || (modified !== undefined && modified === start.modified)
      : etag === start.etag
  return isPlain(headers) &&
    isSame &&
    Number(first) === received &&
    length !== undefined &&
    (total === "*" || Number(total) === length)
    ? { ...start, length }
    : undefined
}
