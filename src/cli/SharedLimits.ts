/** Rate limits and circuits that all workers with one Redis share: `--redis` of `segformer worker`. */
import { type Context, Effect, Layer, Redacted, type Scope } from "effect"
import * as PolicyStores from "../policy/PolicyStores.ts"
import * as BodyFailure from "../service/BodyFailure.ts"
import * as ExitCode from "./ExitCode.ts"

const cannot = (why: string) =>
  new ExitCode.Ended({ code: ExitCode.unavailable, reason: `Redis cannot be used: ${why}` })

/** The stores over the Redis at that address, until the scope ends. */
export const make = Effect.fnUntraced(function* (
  redis: Redacted.Redacted
): Effect.fn.Return<Context.Context<never>, ExitCode.Ended, Scope.Scope> {
  const { NodeRedis, layer } = yield* Effect.tryPromise({
    try: () => import("@effect/platform-node/NodeRedis"),
    catch: () => cannot("that needs the package redis: npm install redis")
  })
  // Commands of an outage must not be run when it is over.
  const connection = layer({ url: Redacted.value(redis), disableOfflineQueue: true })
  // Who closes it waits for its answers, which a Redis that hangs never gives: what waits is given up first.
  const givenUp = Layer.effectDiscard(
    Effect.flatMap(NodeRedis, ({ client }) =>
      Effect.addFinalizer(() => Effect.sync(() => (client.isOpen ? client.destroy() : undefined)))
    )
  )
  return yield* Layer.build(
    Layer.provide(PolicyStores.layerRedis(), Layer.provideMerge(givenUp, connection))
  ).pipe(
    // An address of another scheme is thrown.
    Effect.catchDefect(Effect.fail),
    Effect.mapError((error) => cannot(BodyFailure.describe(error)))
  )
})
