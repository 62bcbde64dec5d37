/** What an image that is done lacks of what was asked for: its service gives no label map. */
import { Effect } from "effect"
import type { Pictures } from "../Prediction.ts"

/** Whether a service has drawn anything. */
export const hasAny = (pictures: Pictures): boolean =>
  Object.values(pictures).some((bytes) => bytes !== undefined)

/** Says once of how many images there is less than was asked for, where there are such. */
export const told = (count: number, what: string): Effect.Effect<void> =>
  count === 0 ? Effect.void : Effect.logWarning(`${count} done without ${what}`)
