/** Papers from the retrieval service: over a real socket, onto a real disk. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Effect, Layer, Redacted, References, Stream } from "effect"
import {
  Retrieval,
  RetrievalApi,
  type RetrievalError,
  type RetrievalJob,
  type RetrievedPaper
} from "effect-segformer/companions"
import { ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { serve } from "../support/ContractServer.ts"
import { folder } from "../support/Folder.ts"
import { passing } from "../support/Passing.ts"
import * as TestServer from "../support/TestServer.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")
const paper = new TextEncoder().encode("%PDF-1.7 a paper")
const doi = "10.1000/182"

const layerAt = (url: string | undefined, apiKey?: string) =>
  Retrieval.layer.pipe(
    Layer.provide([
      ServiceRegistry.layerOf(
        url === undefined
          ? {}
          : {
              retrieval: {
                baseUrl: url,
                apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey)
              }
            }
      ),
      NodeHttp.layer(),
      NodeFileSystem.layer
    ])
  )

const completed: RetrievalJob = {
  job_id: "j 1",
  doi,
  status: "completed",
  file_path: "/srv/papers/../../etc/passwd",
  file_size: paper.length,
  file_format: "pdf"
}

/** A service whose job is there at once, as it says. */
const servedAs = (job: RetrievalJob, body = paper) =>
  serve(RetrievalApi, {
    retrieval: {
      retrieve: () => Effect.succeed(job),
      status: () => Effect.succeed(job),
      file: () => Effect.succeed(Stream.make(body))
    }
  })

describe("Retrieval", () => {
  it("says in its type how it fails", () => {
    expectTypeOf<Retrieval["Service"]["retrieveAndDownload"]>().returns.toEqualTypeOf<
      Effect.Effect<RetrievedPaper, RetrievalError>
    >()
  })

  it.effect("finds a paper, and puts it under the name of its DOI", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      const url = yield* serve(RetrievalApi, {
        retrieval: {
          retrieve: ({ payload }) => {
            asked.push(payload)
            return Effect.succeed({ job_id: "j 1", status: "pending" })
          },
          status: ({ params }) => Effect.succeed({ ...completed, job_id: params.id }),
          file: ({ params }) =>
            Effect.succeed(params.id === "j 1" ? Stream.make(paper) : Stream.make(new Uint8Array()))
        }
      })
      const at = yield* folder()
      const told: Array<string> = []
      const found = Effect.flatMap(Retrieval, (retrieval) =>
        retrieval.retrieveAndDownload(
          { doi, title: "A paper" },
          {
            folder: join(at, "papers"),
            onStatus: (status) => Effect.sync(() => void told.push(status._tag))
          }
        )
      ).pipe(Effect.provide(layerAt(url)))
      const file = yield* passing(found, () => (told.includes("Succeeded") ? 1 : 25))
      assert.strictEqual(file.path, join(at, "papers", "10.1000_182.pdf"))
      assert.deepStrictEqual(new Uint8Array(readFileSync(file.path)), paper)
      assert.deepStrictEqual(told, ["Queued", "Succeeded"])
      assert.deepStrictEqual(asked, [{ doi, title: "A paper", timeout_seconds: 120 }])
    }).pipe(Effect.scoped)
  )

  const ends: ReadonlyArray<readonly [string, Partial<RetrievalJob>, RegExp]> = [
    [
      "JobFailed",
      { status: "failed", error_code: "VPN_ERROR", error: "tunnel down" },
      /\(VPN_ERROR\): tunnel down/
    ],
    ["JobFailed", { status: "failed", error_code: "NOT_FOUND", error: null }, /\(NOT_FOUND\)/],
    ["JobFailed", { status: "failed", error_code: "DOWNLOAD_FAILED" }, /\(DOWNLOAD_FAILED\)/],
    ["JobFailed", { status: "failed", error_code: "TIMEOUT", error: "gave up" }, /\(TIMEOUT\): gave up/],
    ["UnknownJobStatus", { status: "hibernating" }, /"hibernating"/],
    ["WrongLength", { file_size: 3 }, /has 16 bytes, but 3 were expected/]
  ]
  it.live.each(ends)("%s: %j leaves no file", ([tag, job, message]) =>
    Effect.gen(function* () {
      const url = yield* servedAs({ ...completed, ...job })
      const at = yield* folder()
      const error = yield* Effect.flatMap(Retrieval, (retrieval) =>
        Effect.flip(retrieval.retrieveAndDownload({ doi }, { folder: at }))
      ).pipe(Effect.provide(layerAt(url)))
      assert.strictEqual(error._tag, tag)
      assert.match(error.message, message)
      assert.deepStrictEqual(readdirSync(at), [])
    }).pipe(Effect.scoped)
  )

  it.live.each([
    [401, "Unauthenticated", 1],
    [403, "Forbidden", 1],
    [404, "ResourceNotFound", 1],
    [409, "RequestRejected", 1],
    [422, "InputInvalid", 1]
  ] as const)("status %d is %s, and is not asked again", ([status, tag, attempts]) =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) =>
        TestServer.sendJson(response, { error: "no" }, status)
      )
      const error = yield* Effect.flatMap(Retrieval, (retrieval) =>
        Effect.flip(retrieval.retrieve({ doi }))
      ).pipe(Effect.provide(layerAt(server.url)))
      assert.strictEqual(error._tag, tag)
      assert.strictEqual(server.requests.length, attempts)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("a submission that meets 503 is sent again under the same key; a broken answer is not", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) => {
        if (server.requests.length === 1) return TestServer.sendJson(response, { error: "busy" }, 503)
        response.end("<html>")
      })
      const asked = Effect.flatMap(Retrieval, (retrieval) => Effect.flip(retrieval.retrieve({ doi }))).pipe(
        Effect.provide(layerAt(server.url, "s3cret"))
      )
      const error = yield* passing(asked)
      assert.strictEqual(error._tag, "ResponseNotDecodable")
      assert.strictEqual(server.requests.length, 2)
      const keys = server.requests.map(({ headers }) => headers["idempotency-key"])
      assert.isDefined(keys[0])
      assert.strictEqual(keys[0], keys[1])
      assert.deepStrictEqual(
        server.requests.map(({ headers }) => headers.authorization),
        ["Bearer s3cret", "Bearer s3cret"]
      )
    }).pipe(quiet, Effect.scoped)
  )

  it.live.each([
    [{ status: "ok", vpn_connected: true, vpn_ip: "10.8.0.2" }, true, /ok/],
    [{ status: "ok", vpn_connected: false }, false, /its VPN is down/],
    [{ status: "ok" }, false, /vpn_connected/]
  ] as const)("health: %j", ([body, healthy, detail]) =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) => TestServer.sendJson(response, body))
      const report = yield* Effect.flatMap(Retrieval, ({ health }) => health).pipe(
        Effect.provide(layerAt(server.url))
      )
      assert.strictEqual(report.healthy, healthy)
      assert.match(report.detail, detail)
    }).pipe(Effect.scoped)
  )

  it.live("is not healthy where nobody listens, and that is no failure", () =>
    Effect.gen(function* () {
      const port = yield* TestServer.closedPort
      const report = yield* Effect.flatMap(Retrieval, ({ health }) => health).pipe(
        Effect.provide(layerAt(`http://127.0.0.1:${port}`))
      )
      assert.isFalse(report.healthy)
      assert.match(report.detail, /Cannot reach/)
    })
  )

  it.effect("without an address it is there, and says what is missing", () =>
    Effect.gen(function* () {
      const retrieval = yield* Retrieval
      assert.match((yield* retrieval.health).detail, /set RETRIEVAL_SERVICE_URL/)
      const error = yield* Effect.flip(retrieval.retrieveAndDownload({ doi }, { folder: "never" }))
      assert.strictEqual(error._tag, "ServiceNotConfigured")
      const ended = yield* Stream.runCollect(retrieval.jobs.awaitAll([{ jobId: "1" }]))
      assert.strictEqual(ended.length, 1)
    }).pipe(Effect.provide(layerAt(undefined)))
  )

  it.effect("its fake gives files as well", () =>
    Effect.gen(function* () {
      const at = yield* folder()
      const retrieval = yield* Retrieval
      const file = yield* retrieval.download("j 1", { folder: at, name: "mine.pdf" })
      assert.deepStrictEqual([file.name, readFileSync(file.path).length], ["mine.pdf", paper.length])
      assert.isTrue((yield* retrieval.health).healthy)
    }).pipe(
      Effect.provide(
        Retrieval.fake({
          retrieval: {
            status: () => Effect.succeed(completed),
            file: () => Effect.succeed(Stream.make(paper)),
            health: () => Effect.succeed({ status: "ok", vpn_connected: true })
          }
        }).pipe(Layer.provideMerge(NodeFileSystem.layer))
      ),
      Effect.scoped
    )
  )
})
