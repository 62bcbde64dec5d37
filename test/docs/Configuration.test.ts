import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as configuration from "./configuration.ts"

const page = readFileSync(configuration.path, "utf8")

describe("docs/configuration.md", () => {
  it("is what the tables in the code say (node -C effect-segformer-source test/docs/configuration.ts writes it)", () => {
    assert.strictEqual(page, configuration.render())
  })

  it("has every variable that the code reads", () => {
    const names = configuration.readByCode()
    assert.includeMembers([...names], ["SEGFORMER_TIMEOUT", "HF_TOKEN", "NO_COLOR", "{NAME}_SERVICE_URL"])
    assert.deepStrictEqual(
      names.filter((name) => !page.includes(`\`${name}\``)),
      []
    )
  })
})
