/** Chunks that nobody has begun are for all: who takes one over, when, and what becomes of it. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Fiber, Latch } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { ClusterEngine } from "effect-segformer/cluster"
import * as Intake from "../../src/batch/cluster/Intake.ts"
import * as RunTables from "../../src/batch/cluster/RunTables.ts"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { Postgres } from "../support/Postgres.ts"
import * as Warm from "../support/Warm.ts"
import { predict } from "./clusterImages.ts"
import { ignore, itemsIn, numbered, withWorkers, worker } from "./clusterHere.ts"

const refs = (...keys: ReadonlyArray<string>) => keys.map((key) => ({ key, location: `/${key}` }))

/** A run with its tables, and nobody at work. */
const withTables = <A, E>(
  use: (tables: RunTables.RunTables, sql: SqlClient.SqlClient) => Effect.Effect<A, E, ClusterEngine.Engine>
) =>
  Effect.gen(function* () {
    const database = yield* Postgres.database
    return yield* Effect.gen(function* () {
      const tables = yield* RunTables.make
      yield* tables.open({ id: "run", spec: null, maxFailures: undefined, allowChange: false })
      return yield* use(tables, yield* SqlClient.SqlClient)
    }).pipe(Effect.provide(ClusterEngine.layerClient({ database })))
  })

const add = (tables: RunTables.RunTables, ...keys: ReadonlyArray<string>) =>
  Effect.map(tables.addChunk("run", refs(...keys)), (added) => added!.chunk)

layer(Warm.postgres, { concurrent: true, excludeTestServices: true })("chunks", (it) => {
  it.effect("of those that nobody has begun the last is taken over, and is the other's from then on", () =>
    withTables(
      Effect.fnUntraced(function* (tables) {
        const [own, second, third] = [
          yield* add(tables, "a"),
          yield* add(tables, "b"),
          yield* add(tables, "c", "d")
        ]
        assert.deepStrictEqual(yield* tables.beginChunk("run", own, "me"), refs("a"))
        assert.deepStrictEqual(yield* tables.takeOver("run", own, "me"), refs("c", "d"))
        assert.deepStrictEqual(yield* tables.leftOf("run", own), refs("a", "c", "d"))
        // Whoever it was meant for finds nothing, and can take over others.
        assert.deepStrictEqual(yield* tables.beginChunk("run", third, "you"), [])
        assert.deepStrictEqual(yield* tables.takeOver("run", third, "you"), refs("b"))
        assert.deepStrictEqual(yield* tables.beginChunk("run", second, "them"), [])
        assert.deepStrictEqual(yield* tables.takeOver("run", own, "me"), [])
      })
    )
  )

  it.effect("nothing is taken over from who has begun, nor by who has lost its chunk to another", () =>
    withTables(
      Effect.fnUntraced(function* (tables) {
        const [own, begun] = [yield* add(tables, "a"), yield* add(tables, "b")]
        yield* tables.beginChunk("run", own, "me")
        yield* tables.beginChunk("run", begun, "you")
        assert.deepStrictEqual(yield* tables.takeOver("run", own, "me"), [])
        yield* add(tables, "c")
        // Taken for dead, its chunk is begun anew by another, which does not know of what it would take over now.
        yield* tables.beginChunk("run", own, "another")
        assert.deepStrictEqual(yield* tables.takeOver("run", own, "me"), [])
        assert.deepStrictEqual(yield* tables.takeOver("run", own, "another"), refs("c"))
      })
    )
  )

  it.effect("nothing is taken over of a run that does not go on, or of another run", () =>
    withTables(
      Effect.fnUntraced(function* (tables) {
        const own = yield* add(tables, "a")
        yield* tables.beginChunk("run", own, "me")
        yield* tables.open({ id: "other", spec: null, maxFailures: undefined, allowChange: false })
        yield* tables.addChunk("other", refs("z"))
        assert.deepStrictEqual(yield* tables.takeOver("run", own, "me"), [])
        yield* add(tables, "b")
        for (const state of ["paused", "cancelled"] as const) {
          yield* tables.move("run", ["running", "paused"], state)
          assert.deepStrictEqual(yield* tables.takeOver("run", own, "me"), [])
        }
      })
    )
  )

  it.effect(
    "what is given to another chunk, or done again, can be taken over; what is settled is left out",
    () =>
      withTables(
        Effect.fnUntraced(function* (tables) {
          const [own, left, failed] = [
            yield* add(tables, "a"),
            yield* add(tables, "b", "c"),
            yield* add(tables, "d")
          ]
          for (const chunk of [own, left, failed]) yield* tables.beginChunk("run", chunk, "me")
          const { epoch } = yield* tables.get("run")
          yield* tables.settle("run", epoch, [
            { key: "b", tag: "Broken", message: "" },
            { key: "d", tag: "Broken", message: "" }
          ])
          yield* tables.renumber("run", left)
          assert.deepStrictEqual(yield* tables.takeOver("run", own, "me"), refs("c"))
          assert.strictEqual(yield* tables.retryFailed("run"), 2)
          assert.deepStrictEqual(yield* tables.takeOver("run", own, "me"), refs("d"))
          assert.deepStrictEqual(yield* tables.takeOver("run", own, "me"), refs("b"))
          assert.deepStrictEqual(yield* tables.leftOf("run", own), refs("a", "b", "c", "d"))
        })
      )
  )

  it.effect("many who take over at once have each image once", () =>
    withTables(
      Effect.fnUntraced(function* (tables) {
        const own: Array<number> = []
        for (let i = 0; i < 4; i++) own.push(yield* add(tables, `own-${i}`))
        for (const chunk of own) yield* tables.beginChunk("run", chunk, `holder ${chunk}`)
        const spare: Array<number> = []
        for (let i = 0; i < 20; i++) spare.push(yield* add(tables, `spare-${i}`))
        // Beside those whom the chunks are meant for.
        const begin = Effect.forEach(spare.slice(0, 10), (chunk) => tables.beginChunk("run", chunk, "theirs"))
        const help = (chunk: number) =>
          Effect.forEach(Array.from({ length: 8 }), () => tables.takeOver("run", chunk, `holder ${chunk}`))
        const found = yield* Effect.all([begin, ...own.map(help)], { concurrency: "unbounded" })
        const keys = found.flat(2).map(({ key }) => key)
        assert.strictEqual(new Set(keys).size, keys.length)
        assert.strictEqual(keys.length, 20)
      })
    )
  )

  it.effect("a worker does what another has not begun, and no image twice", () =>
    Effect.gen(function* () {
      const names = Object.keys(numbered(60))
      const from = yield* folder(numbered(60))
      const database = yield* Postgres.database
      const asked: Record<"slow" | "quick", Array<string>> = { slow: [], quick: [] }
      const release = yield* Latch.make()
      const one = (who: keyof typeof asked) =>
        worker({
          predict: (image) => {
            asked[who].push(image.name)
            return Effect.andThen(who === "slow" ? release.await : Effect.void, predict(image))
          },
          sinks: () => [ignore],
          concurrency: 1
        })
      yield* withWorkers(
        one("slow"),
        () =>
          withWorkers(
            one("quick"),
            (runs) =>
              Effect.gen(function* () {
                yield* eventually(() => Effect.map(runs.runners, ({ length }) => length === 2))
                yield* runs.submit({ run: "uneven", items: itemsIn(from, names), chunk: 2 })
                // All but what the slow one has at hand.
                yield* eventually(() => Effect.map(runs.status("uneven"), ({ done }) => done >= 48))
                assert.isBelow(asked.slow.length, 12)
                yield* release.open
                assert.deepInclude(yield* runs.wait("uneven"), { state: "finished", done: 60, failed: 0 })
              }),
            database
          ),
        database
      )
      // Of what the slow one is at a part may move to the other with its share of the shards.
      assert.strictEqual(new Set(asked.quick).size, asked.quick.length)
      assert.strictEqual(new Set([...asked.slow, ...asked.quick]).size, 60)
    })
  )

  it.effect("where taking over fails a chunk begins anew, and the run ends all the same", () =>
    Effect.gen(function* () {
      const names = Object.keys(numbered(9))
      const from = yield* folder(numbered(9))
      const database = yield* Postgres.database
      const release = yield* Latch.make()
      const asked: Array<string> = []
      yield* withWorkers(
        worker({
          predict: (image) => {
            asked.push(image.name)
            return Effect.andThen(release.await, predict(image))
          },
          sinks: () => [ignore],
          concurrency: 1
        }),
        (runs) =>
          Effect.gen(function* () {
            yield* Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              // What a sequence has given is not taken back with the rest.
              yield* sql`CREATE SEQUENCE refusals`
              yield* sql`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN RAISE EXCEPTION ''no %'', nextval(''refusals''); END'`
              yield* sql`CREATE TRIGGER refused BEFORE UPDATE OF chunk ON segformer_images
                FOR EACH ROW EXECUTE FUNCTION refuse()`
              const tables = yield* RunTables.make
              yield* runs.submit({ run: "refused", items: itemsIn(from, names.slice(0, 3)), chunk: 3 })
              yield* eventually(() => Effect.succeed(asked.length > 0))
              const spare = yield* tables.addChunk("refused", [
                { key: "spare", location: `${from}/${names[3]}` }
              ])
              assert.isDefined(spare)
              yield* release.open
              const refusals = sql<{ called: boolean }>`SELECT is_called AS called FROM refusals`
              yield* eventually(() => Effect.map(refusals, ([found]) => found?.called === true))
              yield* eventually(() => Effect.map(runs.status("refused"), ({ done }) => done === 3))
              // No workflow was begun for it: who submits again does that.
              yield* sql`DROP TRIGGER refused ON segformer_images`
              yield* runs.submit({ run: "refused", items: itemsIn(from, names.slice(4)) })
              assert.deepInclude(yield* runs.wait("refused"), { state: "finished", done: 9, failed: 0 })
            }).pipe(Effect.provide(ClusterEngine.layerClient({ database })))
          }),
        database
      )
      assert.strictEqual(new Set(asked).size, 9)
      assert.strictEqual(asked.length, 9)
    })
  )
})

describe("what a worker has at hand", () => {
  const read = (count: number) => Effect.succeed(Array.from({ length: count }, (_, i) => i))

  it.effect("is read in turn, and no more than is wanted", () =>
    Effect.gen(function* () {
      const intake = Intake.make(4)
      const order: Array<string> = []
      const take = (name: string, count: number) =>
        Effect.forkChild(
          Effect.andThen(
            intake.take(read(count)),
            Effect.sync(() => order.push(name))
          )
        )
      yield* intake.take(read(10))
      const others = [yield* take("a", 3), yield* take("b", 3), yield* take("c", 3)]
      yield* Effect.yieldNow
      assert.isTrue(intake.isWaitedFor())
      intake.leave(6)
      yield* Effect.yieldNow
      assert.deepStrictEqual(order, [])
      intake.leave(1)
      yield* Fiber.join(others[0]!)
      // Three and three are enough.
      assert.deepStrictEqual(order, ["a"])
      assert.isTrue(intake.isWaitedFor())
      intake.leave(6)
      yield* Effect.forEach(others, Fiber.join)
      assert.deepStrictEqual(order, ["a", "b", "c"])
      assert.isFalse(intake.isWaitedFor())
    })
  )

  it.effect("does not count what was not read", () =>
    Effect.gen(function* () {
      const intake = Intake.make(2)
      const begun = yield* Latch.make()
      const never = yield* Effect.forkChild(
        intake.take(Effect.andThen(begun.open, Effect.andThen(Effect.never, read(1))))
      )
      yield* begun.await
      const waiting = yield* Effect.forkChild(intake.take(read(2)))
      yield* Effect.yieldNow
      assert.isTrue(intake.isWaitedFor())
      yield* Fiber.interrupt(never)
      assert.lengthOf(yield* Fiber.join(waiting), 2)
      const failed = yield* Effect.forkChild(intake.take(Effect.fail("no")))
      const gone = yield* Effect.forkChild(intake.take(read(1)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(gone)
      intake.leave(2)
      yield* Fiber.await(failed)
      assert.lengthOf(yield* intake.take(read(1)), 1)
      assert.lengthOf(yield* intake.take(read(0)), 0)
      assert.isFalse(intake.isWaitedFor())
    })
  )
})
