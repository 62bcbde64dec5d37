/** What Cog and Replicate share: a prediction from an image in its input, which can be ended, and how it is told. */
import { Deferred, Effect, Schema } from "effect"
import type { Segmented, Served } from "./Dialect.ts"
import * as ClassScores from "./ClassScores.ts"
import * as JsonPieces from "./JsonPieces.ts"
import * as LargeJson from "./LargeJson.ts"
import type { Refusal } from "./Refusal.ts"

/** `input` of a request. Others than the image are read over. */
export const Input = Schema.Struct({
  image: Schema.Union([Schema.String, Schema.instanceOf(LargeJson.LongText)])
})

/** How a prediction ended. */
export type Outcome =
  | { readonly status: "succeeded"; readonly png: Uint8Array }
  | { readonly status: "failed"; readonly error: string }
  | { readonly status: "canceled" }

/** What tells an image from others: an id that a caller chose stands for one. */
export const contentOf = (bytes: Uint8Array): Effect.Effect<string> =>
  Effect.promise(async () =>
    Buffer.from(await crypto.subtle.digest("SHA-256", Uint8Array.from(bytes))).toString("base64")
  )

/** The label map as a file, within the turn. */
const segmentation = (segmented: Segmented) =>
  Effect.flatMap(ClassScores.make(segmented), (found) => ClassScores.png(found))

/** A prediction that failed, with its reason in the log where that is not the image's. */
export const failed = (refusal: Refusal): Effect.Effect<Outcome> =>
  Effect.as(refusal.status >= 500 ? Effect.logWarning(refusal.message) : Effect.void, {
    status: "failed",
    error: refusal.detail
  })

/** Works on a prediction until it is over or `cancelled`. Fails where the service cannot do it now. */
export const work = (
  served: Served,
  bytes: Uint8Array,
  cancelled: Deferred.Deferred<void>
): Effect.Effect<Outcome, Refusal> =>
  served.segment({ name: "image", bytes }, segmentation).pipe(
    Effect.map((png): Outcome => ({ status: "succeeded", png })),
    Effect.catch((refusal) => (refusal.status === 503 ? Effect.fail(refusal) : failed(refusal))),
    Effect.raceFirst(Effect.as(Deferred.await(cancelled), { status: "canceled" } as const))
  )

/** A prediction, with fields of the protocol's own. `outcome` is missing while it is worked on. */
export interface Told {
  readonly id: string
  readonly started: number
  readonly completed?: number | undefined
  readonly outcome?: Outcome | undefined
  readonly more?: object | undefined
}

/** The prediction as JSON. */
export const tell = ({ completed, id, more, outcome, started }: Told, status = 200) => {
  const head = JSON.stringify({
    ...more,
    id,
    status: outcome?.status ?? "processing",
    error: outcome?.status === "failed" ? outcome.error : null,
    logs: "",
    started_at: new Date(started).toISOString(),
    completed_at: completed === undefined ? null : new Date(completed).toISOString(),
    metrics: completed === undefined ? {} : { predict_time: (completed - started) / 1000 }
  })
  const output = outcome?.status === "succeeded" ? new JsonPieces.DataUrl(outcome.png) : "null"
  return JsonPieces.answer([`${head.slice(0, -1)},"output":`, output, "}"], status)
}
