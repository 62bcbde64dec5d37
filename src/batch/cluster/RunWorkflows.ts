/**
 * The two workflows of a run: one per chunk of images, and one for its end. A chunk is known by run and number, and its
 * images by run and key, so sending it twice does it once. Payloads are small: the images are in the database.
 */
import { Schema } from "effect"
import { Workflow } from "effect/workflow"

/** Does what is left of a chunk of images. Gives how many it did not come to, because the run was cancelled. */
export const Chunk = Workflow.make("segformer/Chunk", {
  payload: { run: Schema.String, chunk: Schema.Int },
  success: Schema.Struct({ left: Schema.Int }),
  idempotencyKey: ({ chunk, run }) => `${run}/${chunk}`
})

/** Lets the sinks write what all images make together, once per submission that adds to a run. */
export const Finish = Workflow.make("segformer/Finish", {
  payload: { run: Schema.String, epoch: Schema.Int },
  idempotencyKey: ({ epoch, run }) => `${run}/${epoch}`
})
