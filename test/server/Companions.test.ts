/** What a server tells companion services, and asks them. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted, References } from "effect"
import { TestClock } from "effect/testing"
import {
  AnalyticsApi,
  Authentication,
  AuthenticationApi,
  type Claims,
  Notification,
  NotificationApi,
  Unauthenticated
} from "effect-segformer/companions"
import { Companions, SegFormerServer } from "effect-segformer/server"
import { NodeHttp } from "effect-segformer/service/node"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { serve } from "../support/ContractServer.ts"

const quiet = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.scoped(self).pipe(
    Effect.provide(NodeHttp.layer()),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

/** A service that knows the tokens that are given, and counts what it is asked. */
const knowing = (tokens: Record<string, Claims>) => {
  const asked: Array<string> = []
  const handlers = {
    authentication: {
      verify: ({ payload }: { readonly payload: { readonly token: Redacted.Redacted } }) => {
        const token = Redacted.value(payload.token)
        asked.push(token)
        const claims = tokens[token]
        return claims === undefined
          ? Effect.fail(new Unauthenticated({ service: "authentication", detail: "" }))
          : Effect.succeed(claims)
      }
    }
  }
  return { asked, handlers }
}

describe("authorizer", () => {
  const token = Redacted.make("good")

  it.effect("remembers a good token for 30 seconds, and a bad one not at all", () =>
    quiet(
      Effect.gen(function* () {
        const { asked, handlers } = knowing({ good: { user_id: 7 } })
        const authorize = yield* Effect.provide(Companions.authorizer(), Authentication.fake(handlers))
        for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* authorize(token), { subject: "7" })
        assert.deepStrictEqual(asked, ["good"])
        yield* TestClock.adjust("31 seconds")
        assert.deepStrictEqual(yield* authorize(token), { subject: "7" })
        assert.lengthOf(asked, 2)
        for (let i = 0; i < 2; i++) assert.isFalse(yield* authorize(Redacted.make("bad")))
        assert.deepStrictEqual(asked.slice(2), ["bad", "bad"])
      })
    )
  )

  it.effect("remembers none beyond the time that its claims name", () =>
    quiet(
      Effect.gen(function* () {
        const { asked, handlers } = knowing({ good: { sub: "ada", exp: 10 } })
        const authorize = yield* Effect.provide(Companions.authorizer(), Authentication.fake(handlers))
        assert.deepStrictEqual(yield* authorize(token), { subject: "ada" })
        yield* TestClock.adjust("9 seconds")
        assert.deepStrictEqual(yield* authorize(token), { subject: "ada" })
        assert.lengthOf(asked, 1)
        yield* TestClock.adjust("2 seconds")
        assert.isFalse(yield* authorize(token))
        assert.lengthOf(asked, 2)
      })
    )
  )

  it.effect("remembers only so many", () =>
    quiet(
      Effect.gen(function* () {
        const { asked, handlers } = knowing({ a: { sub: "a" }, b: { sub: "b" }, c: { sub: "c" } })
        const authorize = yield* Effect.provide(
          Companions.authorizer({ capacity: 2 }),
          Authentication.fake(handlers)
        )
        for (const name of ["a", "b", "c", "c", "b", "a"]) yield* authorize(Redacted.make(name))
        assert.deepStrictEqual(asked, ["a", "b", "c", "a"])
      })
    )
  )
})

describe("jobNotifier and activityReporter", () => {
  it.effect("tell whoever submitted a job how it ended", () =>
    quiet(
      Effect.gen(function* () {
        const seen: Array<unknown> = []
        const jobEnded = yield* Effect.provide(
          Companions.jobNotifier,
          Notification.fake({
            notification: { send: ({ payload }) => Effect.sync(() => void seen.push(payload)) }
          })
        )
        yield* jobEnded({ jobId: "j-1", user: "ada", status: "succeeded", images: 12 })
        yield* jobEnded({ jobId: "j-2", user: "ada", status: "failed", images: 1, detail: "no model" })
        yield* jobEnded({ jobId: "j-3", user: undefined, status: "cancelled" })
        assert.deepStrictEqual(seen, [
          { user_id: "ada", message: "Job j-1 of 12 images is done", channel: "email" },
          { user_id: "ada", message: "Job j-2 of 1 image failed: no model", channel: "email" }
        ])
      })
    )
  )
})

describe("make", () => {
  it.live("a server asks and tells the services that the environment names", () =>
    quiet(
      Effect.gen(function* () {
        const { asked, handlers } = knowing({ "token-of-ada": { sub: "ada" } })
        const events: Array<string> = []
        const messages: Array<string> = []
        const env = {
          AUTHENTICATION_SERVICE_URL: yield* serve(AuthenticationApi, handlers),
          NOTIFICATION_SERVICE_URL: yield* serve(NotificationApi, {
            notification: { send: ({ payload }) => Effect.sync(() => void messages.push(payload.message)) }
          }),
          ANALYTICS_SERVICE_URL: yield* serve(AnalyticsApi, {
            analytics: { record: ({ payload }) => Effect.sync(() => void events.push(payload.action)) }
          })
        }
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { active, authorize, jobEnded } = yield* Companions.make().pipe(
              Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
            )
            const { url } = yield* SegFormerServer.make({ port: 0, page: false, authorize }).pipe(
              Effect.provide([
                SharpCodec.layer,
                NodeFileSystem.layer,
                SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
              ])
            )
            const upload = (token: string) =>
              Effect.promise(async () => {
                const body = new FormData()
                body.append("image", new Blob([Uint8Array.from(Fixtures.image)]), "panel.png")
                const headers = { authorization: `Bearer ${token}` }
                return (await fetch(`${url}/upload`, { method: "POST", body, headers })).status
              })
            assert.strictEqual(yield* upload("token-of-ada"), 200)
            assert.strictEqual(yield* upload("token-of-ada"), 200)
            assert.strictEqual(yield* upload("token-of-eve"), 401)
            assert.deepStrictEqual(asked, ["token-of-ada", "token-of-eve"])
            yield* jobEnded!({ jobId: "j-1", user: "ada", status: "succeeded" })
            yield* active!({ user: "ada", action: "segment", resourceType: "image", resourceId: "panel.png" })
          })
        )
        assert.deepStrictEqual(messages, ["Job j-1 is done"])
        // Sent at the latest when the server ended.
        assert.deepStrictEqual(events, ["segment"])
      })
    )
  )

  it.live("a service that the environment does not name is not there, and a wrong name is an error", () =>
    quiet(
      Effect.gen(function* () {
        const made = (env: Record<string, string>) =>
          Companions.make().pipe(
            Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
          )
        const none = yield* made({})
        assert.deepStrictEqual(none, { authorize: undefined, jobEnded: undefined, active: undefined })
        const error = yield* Effect.flip(made({ NOTIFICATION_SERVICE_URL: "mail" }))
        assert.strictEqual(error._tag, "InvalidConfig")
        assert.include(error.message, "NOTIFICATION_SERVICE_URL")
      })
    )
  )
})
