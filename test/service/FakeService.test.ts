/** Fakes of clients that are made from contracts. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import { ConnectionFailed, ServiceUnavailable } from "effect-segformer/service"
import { user, UserMissing, Users } from "./users.ts"

describe("fakes of a service", () => {
  it.effect("go through the contract: what is wrong on either side of it shows", () =>
    Effect.gen(function* () {
      const { users } = yield* Users
      assert.deepStrictEqual(yield* users.byId({ params: { id: "7" }, query: {} }), user)
      assert.deepStrictEqual(
        yield* Effect.flip(users.byId({ params: { id: "8" }, query: {} })),
        new UserMissing({ id: "8" })
      )
      const bytes = yield* Stream.runCollect(Stream.unwrap(users.export()))
      assert.strictEqual(bytes.length, 2)
    }).pipe(
      Effect.provide(
        Users.fake({
          users: {
            byId: ({ params: { id } }) => (id === "7" ? Effect.succeed(user) : new UserMissing({ id })),
            export: () => Effect.succeed(Stream.make(Uint8Array.of(1), Uint8Array.of(2)))
          }
        })
      )
    )
  )

  it.effect("fail as a service in the field does", () =>
    Effect.gen(function* () {
      const { users } = yield* Users
      const lost = yield* Effect.flip(users.byId({ params: { id: "7" }, query: {} }))
      assert.strictEqual(lost._tag, "ConnectionFailed")
      const busy = yield* Effect.flip(users.create({ payload: { name: "x" } }))
      assert.strictEqual(busy._tag, "ServiceUnavailable")
    }).pipe(
      Effect.provide(
        Users.fake({
          users: {
            byId: () =>
              new ConnectionFailed({ service: "user", phase: "sending", sent: "maybe", detail: "reset" }),
            create: () => new ServiceUnavailable({ service: "user", status: 503, detail: "busy" })
          }
        })
      )
    )
  )

  it.effect("a call that nobody expects is a defect that names it, and so is what a handler throws", () =>
    Effect.gen(function* () {
      const { users } = yield* Users
      const missing = yield* Effect.exit(users.find({ payload: { name: "x" } }))
      assert.match(String(Exit.isFailure(missing) && missing.cause), /The fake has no handler for users.find/)
      const thrown = yield* Effect.exit(users.create({ payload: { name: "x" } }))
      assert.match(String(Exit.isFailure(thrown) && thrown.cause), /what a mess/)
    }).pipe(
      Effect.provide(
        Users.fake({
          users: {
            create: () => {
              throw new Error("what a mess")
            }
          }
        })
      )
    )
  )
})
