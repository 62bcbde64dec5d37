/**
 * Names of files that somebody else chose, made safe to create: one segment, no path, nothing hidden, nothing that a
 * system keeps for itself, and short enough for every file system.
 *
 * ```ts
 * import { FileName } from "effect-segformer/jobs"
 *
 * FileName.clean("../../etc/passwd") // => "passwd"
 * FileName.clean("C:\\temp\\aux.txt") // => "_aux.txt"
 * FileName.clean("...") // => "download"
 * FileName.ofDisposition(`attachment; filename*=UTF-8''caf%C3%A9.pdf`) // => "café.pdf"
 * ```
 */

/** Bytes in UTF-8 that a name may have: 255 are allowed, and a number may still be added. */
const maxBytes = 200

const encoder = new TextEncoder()

/** Devices of Windows, with any extension. */
const reserved = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$/i

/** The name without anything that could lead elsewhere, and never empty. */
export const clean = (name: string): string => {
  const last =
    name
      // A name of a whole header's length has no right to an answer in good time.
      .slice(-1024)
      .normalize("NFC")
      .split(/[/\\]/)
      .findLast((segment) => /[^.\s]/.test(segment)) ?? ""
  const bare = last
    // Control characters, marks that turn the direction of text, and what Windows forbids.
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}<>:"|?*]/gu, "")
    .replace(/^[.\s]+/, "")
    .replace(/[.\s]+$/, "")
  if (bare === "") return "download"
  return shortened(unreserved(bare))
}

/** The name, not that of a device of Windows. @internal */
export const unreserved = (name: string): string => (reserved.test(name) ? `_${name}` : name)

/** The name, cut between two letters to the bytes it may have. Its extension stays. @internal */
export const shortened = (name: string): string => {
  // A letter is three bytes at most, two that make one are four; bytes are only counted where that could be too much.
  if (name.length * 3 <= maxBytes || encoder.encode(name).length <= maxBytes) return name
  const extension = /\.[^.]{1,16}$/u.exec(name)?.[0] ?? ""
  const letters = Array.from(name.slice(0, name.length - extension.length))
  const room = maxBytes - encoder.encode(extension).length
  let bytes = 0
  const end = letters.findIndex((letter) => (bytes += encoder.encode(letter).length) > room)
  return letters.slice(0, end).join("").trimEnd() + extension
}

/**
 * The name in letters, digits, `_`, `-` and `.` alone, with no dot before it: safe in any folder and in any archive.
 * `otherwise` where nothing is left. @internal
 */
export const ascii = (name: string, otherwise: string): string =>
  name
    .normalize("NFKD")
    .replaceAll(/[^\w.-]+/g, "_")
    .replace(/[._]+$/, "")
    .slice(-100)
    .replace(/^[._]+/, "") || otherwise

/** A name or path as systems have it for which case and composition of letters make no other. @internal */
export const folded = (name: string): string => name.normalize("NFC").toLowerCase()

/** The name with a number, for where it is taken: `scan-2.png`. */
export const numbered = (name: string, number: number): string => {
  const dot = name.lastIndexOf(".")
  return dot > 0 ? `${name.slice(0, dot)}-${number}${name.slice(dot)}` : `${name}-${number}`
}

/** A text without the escapes of URLs, as it is where they are none. @internal */
export const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The name in a `Content-Disposition` header (RFC 6266), not cleaned. */
export const ofDisposition = (header: string | undefined): string | undefined => {
  if (header === undefined) return undefined
  const extended = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(header)?.[1]
  if (extended !== undefined) return decoded(extended)
  const [, quoted, plain] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(header) ?? []
  return quoted?.replaceAll(/\\(.)/g, "$1") ?? plain
}

/** The last part of a URL's path, not cleaned. */
export const ofUrl = (url: URL): string =>
  decoded(url.pathname.split("/").findLast((part) => part !== "") ?? "")
