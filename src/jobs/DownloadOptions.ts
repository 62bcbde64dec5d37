/** What a download is told of its file, what it tells on the way, and how it fails. */
import type { Effect } from "effect"
import type { PolicyError } from "../policy/PolicyError.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import type { DownloadError } from "./DownloadError.ts"

/** How far a download is, in bytes. */
export interface Progress {
  readonly _tag: "Progress"
  readonly received: number
  /** Of the whole, where its service says so. */
  readonly total: number | undefined
}

/** How a download fails. */
export type Failure = DownloadError | ServiceError | PolicyError

/** What is true of one file. */
export interface FileOptions {
  /** Made with its parents where it is not there. */
  readonly folder: string
  /** Replaces a file of that name. By default the service's word for it, which replaces none. Cleaned either way. */
  readonly name?: string | undefined
  /** In bytes. */
  readonly length?: number | undefined
  /** In hexadecimal. */
  readonly sha256?: string | undefined
  /** In hexadecimal. */
  readonly md5?: string | undefined
  /**
   * Keeps what came of a download that fails, hidden in the folder, and goes on with it next time: also in another
   * process, but not in two at once. Off by default: nothing is left behind. Where the machine itself may go down, give
   * a digest as well: what was not on the disk by then is none of the file.
   */
  readonly keepPartial?: boolean | undefined
  /** Told of every piece that is written. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}
