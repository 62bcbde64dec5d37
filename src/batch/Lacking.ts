/** What an image that is done lacks of what was asked for: its service gives no label map. */
import { Effect, Stream } from "effect"
import type { Pictures } from "../Prediction.ts"
import type { RunFolderFailed } from "./BatchError.ts"
import type { Records } from "./Sink.ts"

/** Whether a service has drawn anything. */
export const hasAny = (pictures: Pictures): boolean =>
  Object.values(pictures).some((bytes) => bytes !== undefined)

/** Says once of how many images there is less than was asked for. */
export const told = (records: Records, record: string, what: string): Effect.Effect<void, RunFolderFailed> =>
  Effect.flatMap(
    Stream.runFold(
      records,
      () => 0,
      (count, recorded) => (recorded.record === record ? count + 1 : count)
    ),
    (count) =>
      count === 0
        ? Effect.void
        : Effect.logWarning(
            `${count} ${count === 1 ? "image" : "images"} that ${count === 1 ? "is" : "are"} done ${what}`
          )
  )
