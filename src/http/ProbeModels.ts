/** Which models a server has, in the ways that servers of KServe's protocols list them. */
import { Effect, Schema } from "effect"
import type { Answer } from "../service/Exchange.ts"
import { type Ask, bodyOf, isOk } from "./ProbeClue.ts"
import * as Errors from "./protocol/Errors.ts"

const decodeIndex = Schema.decodeUnknownOption(
  Schema.Array(Schema.Struct({ name: Schema.String, state: Schema.optionalKey(Schema.Unknown) }))
)
const decodeNames = Schema.decodeUnknownOption(Schema.Struct({ models: Schema.Array(Schema.String) }))

/** The models of a list by name alone, which servers of KServe have. */
export const namesIn = (ask: Ask, answer: Answer | undefined): ReadonlyArray<string> => {
  const listed = decodeNames(isOk(ask, answer) ? bodyOf(answer) : undefined)
  return listed._tag === "Some" ? listed.value.models : []
}

/** The models of a server: Triton and MLServer list those that could not be loaded too, KServe has names, OpenVINO its configuration. */
export const modelsAt = (ask: Ask): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const listed = yield* ask.post("/v2/repository/index", {})
    const index = decodeIndex(listed !== undefined && isOk(ask, listed) ? Errors.jsonOf(listed) : undefined)
    if (index._tag === "Some") {
      return index.value.flatMap(({ name, state }) => (state === "UNAVAILABLE" ? [] : [name]))
    }
    const names = namesIn(ask, yield* ask.get("/v2/models"))
    if (names.length > 0) return names
    return Object.entries(bodyOf(yield* ask.get("/v1/config"))).flatMap(([name, said]) =>
      Errors.isRecord(said) && Array.isArray(said["model_version_status"]) ? [name] : []
    )
  })

/** The one that segments, by its name, or the first. */
export const preferred = (names: ReadonlyArray<string>): string | undefined =>
  names.find((name) => /seg/i.test(name)) ?? names[0]
