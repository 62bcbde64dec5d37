/**
 * Every call of every companion: what goes over the wire, as a server without our code sees it; and its faults, from a
 * server made from its contract, with each retry and each non-retry.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References, type Scope } from "effect"
import { type HttpClient, HttpServerResponse } from "effect/http"
import { ServiceClient as Client } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import * as TestServer from "../support/TestServer.ts"
import { companions } from "./calls.ts"
import type { Row } from "./companion.ts"

/** What a status is where the contract declares it, and where it does not. */
const tags: Readonly<Record<number, readonly [declared: string, otherwise: string]>> = {
  401: ["Unauthenticated", "Unauthorized"],
  403: ["Forbidden", "Unauthorized"],
  404: ["ResourceNotFound", "NotFound"],
  409: ["ResourceConflict", "RequestRejected"],
  422: ["InputInvalid", "RequestRejected"],
  503: ["CompanionUnavailable", "ServiceUnavailable"]
}

const repeats = ({ repeats, sends }: Row): boolean => repeats ?? !sends[0].startsWith("POST")

const text = (body: string, status: number, contentType = "application/json") =>
  HttpServerResponse.text(body, { status, contentType })

const run = <A>(self: Effect.Effect<A, unknown, HttpClient.HttpClient | Scope.Scope>) =>
  self.pipe(
    Effect.scoped,
    Effect.provide(NodeHttp.layer()),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

describe.each(companions)("$name", ({ declared, name, rows, serve }) => {
  it.live("every call of the contract goes over the wire as the service has it", () =>
    run(
      Effect.gen(function* () {
        let row: Row | undefined
        const server = yield* TestServer.http((_, response) => {
          const { answers, status = 200 } = row!
          if (answers === undefined) response.writeHead(status).end()
          else TestServer.sendJson(response, answers, status)
        })
        const table = yield* rows(server.url)
        assert.sameMembers(Object.keys(table), [...declared.keys()])
        for (row of Object.values(table)) {
          const value = yield* row.call
          assert.deepEqual(value, "gives" in row ? row.gives : row.answers)
          const seen = server.requests.at(-1)!
          assert.strictEqual(`${seen.method} ${seen.path}`, row.sends[0])
          const body: unknown = seen.body.length === 0 ? undefined : JSON.parse(seen.body.toString())
          assert.deepEqual(body, row.sends[1])
        }
      })
    )
  )

  it.live(
    "401, 403, 404, 409, 422 and 503 are errors by tag; only 503 is asked again, where that is safe",
    () =>
      run(
        Effect.gen(function* () {
          let asked = 0
          let status = 0
          const url = yield* serve(() =>
            Effect.sync(() => {
              asked++
              return HttpServerResponse.jsonUnsafe({ error: `because of ${status}` }, { status })
            })
          )
          for (const [endpoint, row] of Object.entries(yield* rows(url))) {
            for (const code of Object.keys(tags).map(Number)) {
              // Its health is an answer of its own with this status.
              if (endpoint === "health" && code === 503) continue
              asked = 0
              status = code
              const error = yield* Effect.flip(row.call)
              const isDeclared = declared.get(endpoint)!.has(code)
              const where = `${endpoint} with ${code}`
              assert.strictEqual(error._tag, tags[code]![isDeclared ? 0 : 1], where)
              assert.strictEqual(error.detail, `because of ${code}`, where)
              if (isDeclared) assert.include(error.message, name === "user" ? "user" : name)
              assert.strictEqual(asked, code === 503 && repeats(row) ? 4 : 1, where)
            }
          }
        })
      )
  )

  it.live("what services say in other words is understood, and a page of HTML does no harm", () =>
    run(
      Effect.gen(function* () {
        let answer = text("", 422)
        const url = yield* serve(() => Effect.sync(() => answer))
        for (const [endpoint, row] of Object.entries(yield* rows(url))) {
          if (!declared.get(endpoint)!.has(422)) continue
          const problems = [{ loc: ["body", "name"], msg: "Field required", type: "missing" }]
          answer = HttpServerResponse.jsonUnsafe({ detail: problems }, { status: 422 })
          const error = yield* Effect.flip(row.call)
          assert.deepEqual([error._tag, error.detail], ["InputInvalid", "body.name: Field required"])
          answer = text("<html>Unprocessable</html>", 422, "text/html")
          assert.strictEqual((yield* Effect.flip(row.call))._tag, "RequestRejected")
        }
      })
    )
  )

  it.live("an answer that is no JSON, or another, is not asked for again", () =>
    run(
      Effect.gen(function* () {
        let asked = 0
        let body = ""
        const url = yield* serve(() =>
          Effect.sync(() => {
            asked++
            return text(body, 200)
          })
        )
        for (const row of Object.values(yield* rows(url))) {
          // Of an answer without content nothing is read.
          if (row.answers === undefined || ("gives" in row && row.gives === undefined)) continue
          for (body of ['{"id": 7, ', '"seven"', "[7]"]) {
            asked = 0
            const error = yield* Effect.flip(row.call)
            assert.deepEqual([error._tag, asked], ["ResponseNotDecodable", 1], `${row.sends[0]}: ${body}`)
          }
        }
      })
    )
  )

  it.live("an answer that does not come is waited for no longer than it may take", () =>
    run(
      Effect.gen(function* () {
        const url = yield* serve(() => Effect.never)
        const table = yield* rows(url)
        yield* Effect.forEach(
          Object.values(table),
          (row) =>
            Effect.gen(function* () {
              const error = yield* Effect.flip(Client.withPolicy(row.call, { attemptTimeout: "50 millis" }))
              assert.deepEqual([error._tag, error.attempt], ["TimedOut", repeats(row) ? 4 : 1], row.sends[0])
            }),
          { concurrency: "unbounded" }
        )
      })
    )
  )

  it.live("where nobody listened, every call is sent again: it never arrived", () =>
    run(
      Effect.gen(function* () {
        const port = yield* TestServer.closedPort
        const table = yield* rows(`http://127.0.0.1:${port}`)
        for (const row of Object.values(table)) {
          const retries: Array<string> = []
          const error = yield* Effect.flip(row.call).pipe(
            Effect.provideService(References.MinimumLogLevel, "Warn"),
            Effect.provide(Logger.layer([Logger.make(({ message }) => void retries.push(String(message)))]))
          )
          assert.deepEqual([error._tag, retries.length], ["ConnectionFailed", 3], row.sends[0])
        }
      })
    )
  )
})
