/**
 * The promises of `Storms.test.ts` that a socket might break, with the default policy and in real time: a service that is
 * away for a moment, one that grants so many a second, one that fails for one call in ten. All of a kind at once.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Stream } from "effect"
import { ImageSource, segment, segmentAll, type SegmentationError } from "effect-segformer"
import { Batch, BatchSource, Sink } from "effect-segformer/batch"
import { SegFormerHttp } from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { pictures } from "../batch/support.ts"
import { good } from "../faults/Harness.ts"
import { folder } from "../support/Folder.ts"
import * as Storms from "../support/Storms.ts"

const image = ImageSource.bytes(Fixtures.image)
const callers = [1, 4, 10, 50]

const transportOf = (service: Faulty.FaultyService) =>
  SegFormerHttp.layer({ baseUrl: service.url }).pipe(Layer.provide(NodeHttpClient.layerUndici), Layer.orDie)

/** How one call ends, and how many requests it took. */
const call = Effect.match(segment(image), {
  onSuccess: ({ cost }) => ({ tag: "success", attempts: cost.attempts }),
  onFailure: ({ _tag }: SegmentationError) => ({ tag: _tag, attempts: 4 })
})
const calls = (count: number, atOnce: number) =>
  Effect.all(
    Array.from({ length: count }, () => call),
    { concurrency: atOnce }
  )
const tagsOf = (ends: ReadonlyArray<{ readonly tag: string }>) =>
  [...new Set(ends.map(({ tag }) => tag))].toSorted()

/** Real services that answer as those of the simulations do. */
const answering = (service: Storms.Service): Faulty.Script => {
  const began = performance.now()
  return () => {
    const { retryAfter, status } = service(performance.now() - began)
    return status === 200
      ? good
      : Faulty.refuse(status, retryAfter === undefined ? undefined : String(retryAfter))
  }
}

/** Fails a share of attempts at random, by the call and how often it has come: the same calls fail in whatever order they do. */
const failing = (share: number, random: () => number): Faulty.Script => {
  const fates = new Map<string, Array<boolean>>()
  return ({ headers }) => {
    const key = String(headers["idempotency-key"])
    const fate = fates.get(key) ?? Array.from({ length: 4 }, () => random() < share)
    fates.set(key, fate)
    return fate.shift() === true ? Faulty.refuse(503) : good
  }
}

const together = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects, { concurrency: "unbounded", discard: true })

const quiet = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.scoped(Effect.provide(self, Logger.layer([])))

describe("over sockets", () => {
  const absences = [1500, 5000].flatMap((pause) =>
    (["gone", 503] as const).flatMap((how) => callers.map((atOnce) => [pause, how, atOnce] as const))
  )
  it.live("a service that is away for 1.5 s or 5 s costs no call, of 1, 4, 10 or 50 at once", () =>
    together(
      absences.map(([pause, how, atOnce]) =>
        Effect.gen(function* () {
          const service = yield* Faulty.make([good])
          if (how === "gone") yield* service.down
          else service.behave([Faulty.refuse(503)])
          const fiber = yield* Effect.forkChild(Effect.provide(calls(atOnce, atOnce), transportOf(service)))
          yield* Effect.sleep(pause)
          if (how === "gone") yield* service.up
          else service.behave([good])
          const ends = yield* Fiber.join(fiber)
          assert.deepStrictEqual(tagsOf(ends), ["success"], `${pause} ms, ${how}, ${atOnce} at once`)
          assert.isAtMost(Math.max(...ends.map(({ attempts }) => attempts)), 4)
        }).pipe(quiet)
      )
    )
  )

  const limits = [1, 5, 20].flatMap((perSecond) =>
    ([429, 503] as const).flatMap((status) =>
      [undefined, 1].map((retryAfter) => [perSecond, { status, retryAfter }] as const)
    )
  )
  it.live("single calls get each place that a service grants, and the rest say that it refused", () =>
    together(
      limits.flatMap(([perSecond, refusal]) =>
        callers.map((atOnce) =>
          Effect.gen(function* () {
            const service = yield* Faulty.make(answering(Storms.limited(perSecond, refusal)))
            const ends = yield* Effect.provide(calls(atOnce, atOnce), transportOf(service))
            const successes = ends.filter(({ tag }) => tag === "success").length
            assert.strictEqual(successes, service.executions)
            assert.isAtLeast(successes, Math.min(atOnce, perSecond * 4))
            const refused = refusal.status === 429 ? "RateLimited" : "ServiceUnavailable"
            assert.includeMembers([refused, "success"], tagsOf(ends))
          }).pipe(quiet)
        )
      )
    )
  )

  const bySegmentAll = (service: Faulty.FaultyService) =>
    segmentAll(Stream.fromIterable(Array.from({ length: 60 }, () => image))).pipe(
      Stream.runCollect,
      Effect.map((results) => results.filter(({ result }) => result._tag === "Success").length),
      Effect.provide(transportOf(service))
    )
  const byBatch = (service: Faulty.FaultyService) =>
    Effect.gen(function* () {
      const root = yield* folder(pictures(60))
      const { done } = yield* Batch.run({
        source: BatchSource.folder(root),
        sinks: [Sink.make({ name: "none", write: () => Effect.succeed(undefined) })],
        folder: `${root}/.run`
      }).pipe(Effect.provide([transportOf(service), NodeFileSystem.layer]))
      return done
    }).pipe(Effect.orDie)

  it.live("60 images of `segmentAll`, and of a batch, come through with at most 1.5 requests each", () =>
    together(
      limits.flatMap(([perSecond, refusal]) =>
        [bySegmentAll, byBatch].map((run) =>
          Effect.gen(function* () {
            const service = yield* Faulty.make(answering(Storms.limited(perSecond, refusal)))
            assert.strictEqual(yield* run(service), 60)
            assert.isAtMost(service.requests.length, 90, `${perSecond} a second, ${JSON.stringify(refusal)}`)
          }).pipe(quiet)
        )
      )
    )
  )

  it.live(
    "one call in ten that fails at random: all but one or two of 2,000 succeed, with 1.2 times the load",
    () =>
      together(
        (
          [
            // One after the other they would take minutes.
            [400, 1],
            [2000, 4],
            [2000, 10],
            [2000, 50]
          ] as const
        ).map(([count, atOnce]) =>
          Effect.gen(function* () {
            const service = yield* Faulty.make(failing(0.1, Storms.randomFrom(atOnce)))
            const ends = yield* Effect.provide(calls(count, atOnce), transportOf(service))
            assert.isAtLeast(ends.filter(({ tag }) => tag === "success").length, count - 2)
            assert.isAtMost(service.requests.length, count * 1.2)
          }).pipe(quiet)
        )
      )
  )
})
