/** What Cog and Replicate share: a prediction from an image in its input, which can be ended, and how it is told. */
import { Deferred, Effect, Schema } from "effect"
import type { Segmented, Served } from "../Dialect.ts"
import * as ClassScores from "../ClassScores.ts"
import * as JsonPieces from "../JsonPieces.ts"
import * as LargeJson from "../LargeJson.ts"
import { bad, notFound, ofDefect, type Refusal } from "../Refusal.ts"

/** What both read of a request. Inputs other than the image are read over. */
export const fields = {
  input: Schema.Struct({ image: Schema.Union([Schema.String, Schema.instanceOf(LargeJson.LongText)]) }),
  webhook: Schema.optionalKey(Schema.Unknown)
}

/** Fails where somebody waits to be called: nothing is called from here. */
export const withoutWebhook = (webhook: unknown): Effect.Effect<void, Refusal> =>
  webhook === undefined || webhook === null || webhook === ""
    ? Effect.void
    : Effect.fail(bad("No webhook is called here: leave it out, and ask for the prediction"))

/** There is none of this id, or it is somebody else's. */
export const unknown = notFound("There is no prediction of this id. Older ones make room for newer")

/** How a prediction ended. */
export type Outcome =
  | { readonly status: "succeeded"; readonly png: Uint8Array }
  | { readonly status: "failed"; readonly error: string }
  | { readonly status: "canceled" }

/** The label map as a file, within the turn. */
const segmentation = (segmented: Segmented) =>
  Effect.flatMap(ClassScores.make(segmented), (found) => ClassScores.png(found))

/** A prediction that failed, with its reason in the log where that is not the image's. */
const failed = (refusal: Refusal): Effect.Effect<Outcome> =>
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

/** The same for one that goes on without its request: whatever happens is told to who asks for it. */
export const workAlone = (
  served: Served,
  id: string,
  bytes: Uint8Array,
  cancelled: Deferred.Deferred<void>
): Effect.Effect<Outcome> =>
  work(served, bytes, cancelled).pipe(
    Effect.catch(failed),
    Effect.catchDefect((defect) =>
      Effect.map(
        ofDefect(`Prediction ${id}`, defect),
        ({ detail }) => ({ status: "failed", error: detail }) as const
      )
    )
  )

/** A prediction, with fields of the protocol's own. `outcome` is missing while it is worked on. */
export interface Told {
  readonly id: string
  readonly started: number
  readonly completed?: number | undefined
  readonly outcome?: Outcome | undefined
  readonly more?: object | undefined
}

/** The prediction as JSON, in pieces. */
export const pieces = ({ completed, id, more, outcome, started }: Told): ReadonlyArray<JsonPieces.Piece> => {
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
  return [`${head.slice(0, -1)},"output":`, output, "}"]
}

/** The prediction as an answer. */
export const tell = (told: Told, status = 200) => JsonPieces.answer(pieces(told), status)
