/** The rows about runs of `npm run test:faults`, as tests. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { batchRows } from "../faults/batch.ts"

describe("a run over a folder in which something goes wrong", () => {
  for (const { fault, holds, run } of batchRows) {
    it.live(fault, () => Effect.map(Effect.scoped(run), holds))
  }
})
