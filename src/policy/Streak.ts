/**
 * For how long a service has failed, as far as anybody looked. A circuit opens by it: many callers who fail in one instant
 * have seen one instant, and two looks that are minutes apart have not seen the minutes between them.
 *
 * Time counts from the end of the first failure. Of what began before that only the number counts, not the time.
 */
import { Duration } from "effect"

/** After so long without a call nothing is known any more, in milliseconds. */
const forgets = Duration.toMillis("10 minutes")

export class Streak {
  /** When the first call began that failed since the last one that went well, in monotonic milliseconds. */
  since: number | undefined
  #seenUntil = 0
  #millis = 0

  /** Counts a failure, and says how long the service was seen to fail. No wait between two looks counts more than `gap`. */
  failed(began: number, ended: number, gap: number): number {
    if (this.since === undefined || began - this.#seenUntil > forgets) {
      this.since = began
      this.#seenUntil = ended
      this.#millis = 0
    } else if (began >= this.#seenUntil) {
      this.#millis += Math.min(began - this.#seenUntil, gap) + (ended - began)
      this.#seenUntil = ended
    }
    return this.#millis
  }

  wentWell(): void {
    this.since = undefined
  }
}

const shared = new WeakMap<object, Map<string, Streak>>()

/** The streak of a service, for all that share a store of circuits in this process. */
export const of = (store: object, key: string): Streak => {
  const known = shared.get(store) ?? new Map<string, Streak>()
  shared.set(store, known)
  const streak = known.get(key) ?? new Streak()
  known.set(key, streak)
  return streak
}
