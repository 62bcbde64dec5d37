import { describe, it } from "@effect/vitest"
import { killed } from "./killed.ts"

describe("kill -9", () => {
  it.live("in the middle of a run leaves each image in the output exactly once", () =>
    killed(120, [{ bytes: 500 }])
  )
})
