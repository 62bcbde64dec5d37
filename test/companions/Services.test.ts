/** What the clients of authentication, notification and analytics promise their callers. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Logger, Redacted, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { HttpClient } from "effect/http"
import {
  Analytics,
  AnalyticsApi,
  AnalyticsClient,
  Authentication,
  type Claims,
  AuthenticationApi,
  CompanionUnavailable,
  Notification,
  NotificationApi,
  ProjectsApi,
  Projects,
  ResourceNotFound,
  Unauthenticated,
  userOf
} from "effect-segformer/companions"
import { ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { FakeHttp } from "effect-segformer/testing"
import { serve } from "../support/ContractServer.ts"
import * as TestServer from "../support/TestServer.ts"

const quiet = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.provideService(self, References.MinimumLogLevel, "None")

const at = (
  addresses: Record<string, string>,
  client: Layer.Layer<HttpClient.HttpClient> = NodeHttp.layer()
) => Layer.merge(ServiceRegistry.layerOf(addresses), client)

/** Lets what runs in the background have its turns. */
const settle = Effect.forEach(Array.from({ length: 200 }), () => Effect.yieldNow, { discard: true })

/** What a program logs, as text. */
const logged = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([
    Logger.make(
      ({ cause, logLevel, message }) => void lines.push(`${logLevel} ${String(message)} ${String(cause)}`)
    )
  ])
  return { lines, layer }
}

const token = Redacted.make("ey.very-secret.token")

describe("Authentication", () => {
  const verify = Effect.flatMap(Authentication, (authentication) => authentication.verify(token))

  it.live("a good token has its claims", () =>
    Effect.gen(function* () {
      const url = yield* serve(AuthenticationApi, {
        authentication: {
          verify: ({ payload }) =>
            Redacted.value(payload.token) === "ey.very-secret.token"
              ? Effect.succeed({ user_id: 7, roles: ["admin"] })
              : new Unauthenticated({ service: "authentication", detail: "" })
        }
      })
      const found = yield* Effect.provide(
        verify,
        Authentication.layer.pipe(Layer.provide(at({ authentication: url })))
      )
      assert.deepStrictEqual(found, { _tag: "Valid", claims: { user_id: 7, roles: ["admin"] } })
      assert.strictEqual(userOf({ user_id: 7 }), "7")
      assert.strictEqual(userOf({ sub: "ada" }), "ada")
      assert.isUndefined(userOf({ email: "ada@example.org" }))
    }).pipe(Effect.scoped)
  )

  it.live.each([400, 401, 403, 404, 409, 422])("%d means that it is not valid, at once", (status) =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) =>
        TestServer.sendJson(response, { error: `no: ${Redacted.value(token)}` }, status)
      )
      const found = yield* Effect.provide(
        verify,
        Authentication.layer.pipe(Layer.provide(at({ authentication: server.url })))
      )
      assert.deepStrictEqual(found, {
        _tag: "NotValid",
        reason: "refused",
        detail: `the service refuses it (${status})`
      })
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("an answer of 200 that says no is no", () =>
    Effect.gen(function* () {
      const verdictOf = (claims: Claims) =>
        Effect.map(
          Effect.provide(
            verify,
            Authentication.fake({ authentication: { verify: () => Effect.succeed(claims) } })
          ),
          ({ _tag }) => _tag
        )
      const denials: ReadonlyArray<Claims> = [
        { valid: false },
        { active: false, sub: "ada" },
        { is_valid: false, sub: "ada" },
        { isValid: false },
        { valid: "false", sub: "ada" },
        { authenticated: 0 },
        { "token-valid": "No" },
        { success: false, message: "Token has expired" },
        { ok: false },
        { error: "token expired" },
        { error: { code: "EXPIRED" }, sub: "ada" }
      ]
      for (const claims of denials)
        assert.strictEqual(yield* verdictOf(claims), "NotValid", JSON.stringify(claims))
      for (const claims of [
        { sub: "ada", valid: true },
        { sub: "ada", success: "true", error: null },
        { sub: "ada", ok: 1, error: "" },
        { sub: "ada", email_verified: false, is_admin: false }
      ])
        assert.strictEqual(yield* verdictOf(claims), "Valid", JSON.stringify(claims))
    })
  )

  it.live("a service that is down lets nobody in, and neither value nor log has the token", () =>
    Effect.gen(function* () {
      const { layer, lines } = logged()
      const down = yield* TestServer.http((_, response) =>
        TestServer.sendJson(response, { error: Redacted.value(token) }, 503)
      )
      const found = yield* Effect.provide(
        verify,
        Authentication.layer.pipe(Layer.provide(at({ authentication: down.url })))
      ).pipe(Effect.provide(layer))
      assert.deepInclude(found, { _tag: "NotValid", reason: "unanswered" })
      assert.strictEqual(down.requests.length, 3)
      assert.isAbove(lines.length, 0)
      assert.notInclude(JSON.stringify(found) + lines.join(), "secret")
    }).pipe(Effect.scoped)
  )

  it.effect("one that says nothing is waited for 5 seconds", () =>
    Effect.gen(function* () {
      const silent = at({ authentication: "http://fake" }, FakeHttp.script([FakeHttp.never]))
      const waiting = yield* Effect.forkChild(
        quiet(Effect.provide(verify, Layer.provide(Authentication.layer, silent)))
      )
      yield* TestClock.adjust("4900 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("100 millis")
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "NotValid", reason: "unanswered" })
    })
  )
})

describe("Notification", () => {
  const send = Effect.flatMap(Notification, (notification) =>
    notification.send({ user_id: "ada", message: "Done" })
  )

  it.live("a message goes by mail unless told otherwise", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const url = yield* serve(NotificationApi, {
        notification: { send: ({ payload }) => Effect.sync(() => void seen.push(payload)) }
      })
      yield* Effect.gen(function* () {
        const notification = yield* Notification
        yield* notification.send({ user_id: "ada", message: "Done" })
        yield* notification.send({ user_id: 7, message: "Done", channel: "sms" })
      }).pipe(Effect.provide(Notification.layer().pipe(Layer.provide(at({ notification: url })))))
      assert.deepStrictEqual(seen, [
        { user_id: "ada", message: "Done", channel: "email" },
        { user_id: 7, message: "Done", channel: "sms" }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("no failure reaches the caller: each is a line in the log, and sent once", () =>
    Effect.gen(function* () {
      for (const status of [400, 401, 422, 500, 503]) {
        const { layer, lines } = logged()
        const server = yield* TestServer.http((_, response) => TestServer.sendJson(response, {}, status))
        const sent = yield* Effect.exit(
          Effect.provide(send, Notification.layer().pipe(Layer.provide(at({ notification: server.url }))))
        ).pipe(Effect.provide(layer))
        assert.isTrue(Exit.isSuccess(sent))
        const warnings = lines.filter((line) => line.startsWith("Warn"))
        assert.deepStrictEqual([server.requests.length, warnings.length], [1, 1])
        assert.match(warnings[0]!, /^Warn A notification was not sent/)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("one that does not come through is given up after 10 seconds", () =>
    Effect.gen(function* () {
      const silent = at({ notification: "http://fake" }, FakeHttp.script([FakeHttp.never]))
      const waiting = yield* Effect.forkChild(
        quiet(Effect.provide(send, Layer.provide(Notification.layer(), silent)))
      )
      yield* TestClock.adjust("9900 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("100 millis")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(waiting)))
    })
  )
})

const event = { user_id: "ada", action: "segment", resource_type: "image", resource_id: "panel.png" }

describe("Analytics", () => {
  it.live("an event is sent with its time, in the background", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const url = yield* serve(AnalyticsApi, {
        analytics: { record: ({ payload }) => Effect.sync(() => void seen.push(JSON.stringify(payload))) }
      })
      yield* Effect.gen(function* () {
        const analytics = yield* Analytics
        yield* analytics.report({ ...event, timestamp: "2026-01-02T03:04:05.000Z" })
        yield* analytics.report(event)
      }).pipe(Effect.provide(Analytics.layer().pipe(Layer.provide(at({ analytics: url })))))
      // The scope has ended, and with it what waited.
      assert.deepInclude(JSON.parse(seen.find((line) => line.includes("03:04:05"))!), event)
      assert.lengthOf(seen, 2)
      for (const line of seen) assert.match(line, /"timestamp":"20\d\d-\d\d-\d\dT[\d:.]+Z"/)
    }).pipe(Effect.scoped)
  )

  it.effect("reporting never waits: beyond the queue events are dropped, and counted", () =>
    Effect.gen(function* () {
      const stalled = AnalyticsClient.fake({ analytics: { record: () => Effect.never } })
      const running = yield* Effect.forkChild(
        Effect.gen(function* () {
          const analytics = yield* Analytics
          // Two are taken by the workers, ten wait.
          for (let i = 0; i < 2; i++) {
            yield* analytics.report(event)
            yield* settle
          }
          for (let i = 0; i < 15; i++) yield* analytics.report(event)
          return yield* analytics.counts
        }).pipe(
          Effect.provide(Layer.provide(Analytics.layerClient({ capacity: 10, concurrency: 2 }), stalled)),
          quiet
        )
      )
      yield* settle
      yield* settle
      yield* settle
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(running), { sent: 0, dropped: 5, waiting: 12 })
    })
  )

  it.effect("what a service does not take is dropped, and an outage is one line in the log", () =>
    Effect.gen(function* () {
      const { layer, lines } = logged()
      let down = true
      const service = AnalyticsClient.fake({
        analytics: {
          record: () =>
            down ? new CompanionUnavailable({ service: "analytics", detail: "maintenance" }) : Effect.void
        }
      })
      yield* Effect.gen(function* () {
        const analytics = yield* Analytics
        for (let i = 0; i < 5; i++) yield* analytics.report(event)
        yield* settle
        assert.deepStrictEqual(yield* analytics.counts, { sent: 0, dropped: 5, waiting: 0 })
        assert.lengthOf(lines, 1)
        down = false
        yield* analytics.report(event)
        yield* settle
        assert.deepStrictEqual(yield* analytics.counts, { sent: 1, dropped: 5, waiting: 0 })
      }).pipe(Effect.provide(Layer.provide(Analytics.layerClient(), service)), Effect.provide(layer))
    })
  )

  it.effect("at the end what waits is sent, for so long and no longer", () =>
    Effect.gen(function* () {
      const { layer, lines } = logged()
      let sent = 0
      const slow = AnalyticsClient.fake({
        analytics: {
          record: () =>
            Effect.delay(
              Effect.sync(() => void sent++),
              "1 second"
            )
        }
      })
      const scope = yield* Scope.make()
      const context = yield* Scope.provide(
        Layer.build(Layer.provide(Analytics.layerClient({ concurrency: 1 }), slow)),
        scope
      )
      yield* Effect.gen(function* () {
        const analytics = yield* Analytics
        for (let i = 0; i < 20; i++) yield* analytics.report(event)
      }).pipe(Effect.provideContext(context))
      const closing = yield* Effect.forkChild(Effect.provide(Scope.close(scope, Exit.void), layer))
      yield* TestClock.adjust("4900 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("200 millis")
      yield* Fiber.join(closing)
      assert.approximately(sent, 5, 1)
      assert.match(lines.at(-1)!, /1[456] events of analytics were not sent within 5s, and are lost/)
    })
  )
})

describe("a server made from a contract", () => {
  it.live("says when to come back, and the client knows", () =>
    Effect.gen(function* () {
      const detail = "maintenance"
      const retryAfter = Duration.seconds(90)
      const url = yield* serve(ProjectsApi, {
        project: { getProject: () => new CompanionUnavailable({ service: "project", detail, retryAfter }) }
      })
      const error = yield* Effect.flatMap(Projects, (projects) =>
        Effect.flip(projects.getProject({ params: { project_id: 1 } }))
      ).pipe(Effect.provide(Projects.layer.pipe(Layer.provide(at({ project: url })))), quiet)
      assert.strictEqual(error._tag, "CompanionUnavailable")
      assert.strictEqual(error.message, "project is not available (503): maintenance. It asks to wait 1m 30s")
    }).pipe(Effect.scoped)
  )

  it.live("keeps projects and their comments from create to delete", () =>
    Effect.gen(function* () {
      const names = new Map<string, string>()
      const comments = new Map<string, string>()
      const missing = (id: unknown) =>
        new ResourceNotFound({ service: "project", detail: `There is no ${String(id)}` })
      const url = yield* serve(ProjectsApi, {
        project: {
          createProject: ({ payload }) =>
            Effect.sync(() => {
              const id = `p-${names.size + 1}`
              names.set(id, payload.name)
              return { id, ...payload }
            }),
          getProject: ({ params }) => {
            const name = names.get(String(params.project_id))
            return name === undefined
              ? missing(params.project_id)
              : Effect.succeed({ id: params.project_id, name })
          },
          deleteProject: ({ params }) =>
            names.delete(String(params.project_id)) ? Effect.void : missing(params.project_id),
          createComment: ({ params, payload }) =>
            Effect.sync(() => {
              const id = comments.size + 1
              comments.set(String(id), payload.content)
              return { id, project_id: params.project_id, content: payload.content }
            }),
          listComments: () =>
            Effect.succeed(Array.from(comments, ([id, content]) => ({ id: Number(id), content }))),
          deleteComment: ({ params }) =>
            comments.delete(String(params.comment_id)) ? Effect.void : missing(params.comment_id)
        }
      })
      yield* Effect.gen(function* () {
        const projects = yield* Projects
        const { id: project_id } = yield* projects.createProject({ payload: { name: "Line 2" } })
        assert.strictEqual((yield* projects.getProject({ params: { project_id } })).name, "Line 2")
        const said = yield* projects.createComment({ params: { project_id }, payload: { content: "Fine" } })
        assert.deepStrictEqual(said, { id: 1, project_id, content: "Fine" })
        assert.lengthOf(yield* projects.listComments({ params: { project_id }, query: {} }), 1)
        yield* projects.deleteComment({ params: { project_id, comment_id: said.id } })
        assert.lengthOf(yield* projects.listComments({ params: { project_id }, query: {} }), 0)
        yield* projects.deleteProject({ params: { project_id } })
        const error = yield* Effect.flip(projects.getProject({ params: { project_id } }))
        assert.deepInclude(error, { _tag: "ResourceNotFound", detail: "There is no p-1" })
        assert.strictEqual(error.message, "project does not have it (404): There is no p-1")
      }).pipe(Effect.provide(Projects.layer.pipe(Layer.provide(at({ project: url })))))
    }).pipe(Effect.scoped)
  )
})
