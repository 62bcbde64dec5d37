/**
 * Programs over transports: several services behind one `Transport`, so that nothing else in a program changes.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ImageSource, segment, ServiceUnavailable, Transports } from "effect-segformer"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 *
 * const down = new ServiceUnavailable({ service: "http://first", status: 503, detail: "maintenance" })
 * const first = SegFormerTest.layer(() => Effect.fail(down), { name: "first", policy: { retry: false } })
 * const second = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction), { name: "second" })
 *
 * const program = segment(ImageSource.bytes(Fixtures.image)).pipe(
 *   Effect.provide(Transports.fallback([first, second]))
 * )
 * const { width } = await Effect.runPromise(program)
 * width // => 48
 * ```
 */
export { type AgreementOptions, layer as ensemble, Ensemble } from "./Agreement.ts"
export type { Agreement, ClassAgreement, MemberResult, PairAgreement } from "./Agreement.ts"
export { type FallbackOptions, layer as fallback, make as makeFallback } from "./Fallback.ts"
export { named, type Named, type NamedMembers } from "./Named.ts"
export { type HedgeOptions, layer as hedge, make as makeHedge } from "./Hedge.ts"
