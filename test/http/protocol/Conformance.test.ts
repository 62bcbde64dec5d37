import { assert, describe, it } from "@effect/vitest"
import { Protocols } from "effect-segformer/http"
import { conformance } from "./Conformance.ts"
import { subjects } from "./subjects.ts"

describe("conformance", () => {
  for (const subject of subjects) conformance(subject)

  it("covers every protocol that has a name", () => {
    const covered = new Set(subjects.map(({ name }) => name.split(" ")[0]))
    // Jobs have a suite of their own.
    const jobs = new Set(["replicate", "cog"])
    assert.deepStrictEqual(
      Protocols.names.filter((name) => !covered.has(name) && !jobs.has(name)),
      []
    )
  })
})
