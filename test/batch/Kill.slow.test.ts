import { describe, it } from "@effect/vitest"
import { killed } from "./killed.ts"

const count = 2000
const kills = 25

/** Most kills come while it works, some while it begins. */
const moments = Array.from({ length: kills }, (_, i) =>
  i % 5 === 4 ? { millis: Math.random() * 400 } : { bytes: Math.random() * 4000 }
)

describe("kill -9", () => {
  it.live(
    `at ${kills} random moments of a run of ${count} images leaves each in the output exactly once`,
    () => killed(count, moments)
  )
})
