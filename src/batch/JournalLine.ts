/**
 * A line of a journal: a CRC-32 in eight hexadecimal digits, a space, and JSON. Only a line whose checksum is right is
 * taken for one, so what it holds is what this module wrote.
 */
import { crc32 } from "node:zlib"
import type { Failure, Receipt } from "./Receipt.ts"

/** An image that is done; the names are short because there are millions of them. */
export interface DoneLine {
  readonly key: string
  readonly content: string
  readonly w: number
  readonly h: number
  readonly n: number
  readonly ms: number
  readonly sure?: number
  readonly as?: string
  /** The version of its image, where it has one. */
  readonly v?: string
  /** What each sink keeps: a short text itself, or where it stands in the file of records. */
  readonly rec?: Readonly<Record<string, string | Place>>
}

/** Place and length in bytes of a record in the file of records, and its CRC-32, which older lines have not. */
export type Place = readonly [at: number, length: number, sum?: number]

/** An image that is done, or failed. */
export type Line = DoneLine | Failure

export const isFailed = (line: Line): line is Failure => "tag" in line
export const isDone = (line: Line): line is DoneLine => !isFailed(line)

/** The line of an image from when it is done again until that is done: whatever is there of it, of no content is it known. */
export const redone = (line: DoneLine): DoneLine => ({ ...line, content: "" })
export const isRedone = ({ content }: DoneLine): boolean => content === ""

/** Where the last of its records ends in the file of records. */
export const recordsEnd = (line: Line): number =>
  isFailed(line) || line.rec === undefined
    ? 0
    : Math.max(
        0,
        ...Object.values(line.rec).map((kept) => (typeof kept === "string" ? 0 : kept[0] + kept[1]))
      )

/** The text of a line, its end included. */
export const encode = (line: Line): string => {
  const json = JSON.stringify(line)
  return `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`
}

/** The line of these bytes, without their end; undefined where they are none. */
export const decode = (bytes: Buffer): Line | undefined => {
  if (bytes.length < 11 || bytes[8] !== 0x20) return undefined
  const sum = Number.parseInt(bytes.toString("latin1", 0, 8), 16)
  return sum === crc32(bytes.subarray(9)) ? JSON.parse(bytes.toString("utf8", 9)) : undefined
}

/** The line of an image that is done, and was of this version, without its records. */
export const ofReceipt = (receipt: Receipt, version?: string): DoneLine => {
  const { attempts, confidence, content, height, key, millis, sameAs, width } = receipt
  return {
    key,
    content,
    w: width,
    h: height,
    n: attempts,
    ms: millis,
    ...(confidence === undefined ? {} : { sure: confidence }),
    ...(sameAs === undefined ? {} : { as: sameAs }),
    ...(version === undefined ? {} : { v: version })
  }
}

/** The receipt of such a line. */
export const toReceipt = (line: DoneLine, records: Receipt["records"]): Receipt => ({
  key: line.key,
  content: line.content,
  width: line.w,
  height: line.h,
  attempts: line.n,
  millis: line.ms,
  ...(line.sure === undefined ? {} : { confidence: line.sure }),
  ...(line.as === undefined ? {} : { sameAs: line.as }),
  records
})
