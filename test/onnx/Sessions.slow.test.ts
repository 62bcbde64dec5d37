import { describe, it } from "@effect/vitest"
import { survives } from "./pool.ts"

describe("sessions", () => {
  it.live("survive 100 interruptions in a row, at any moment of a run", () => survives(100))
})
