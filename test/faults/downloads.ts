/** Rows about jobs and downloads: how they end, and that a file that is not whole is never where files are. */
import assert from "node:assert/strict"
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, Schema, type Scope } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Download, JobApi, type JobStatus } from "effect-segformer/jobs"
import { ServiceClient, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { eventually } from "../support/Eventually.ts"
import * as FileServer from "../support/FileServer.ts"
import { folder } from "../support/Folder.ts"
import * as TestServer from "../support/TestServer.ts"
import { quick, type Row } from "./Harness.ts"

/** A row that says itself how it ended, and throws what does not hold. */
const row = (fault: string, tag: string, act: Effect.Effect<string, unknown, Scope.Scope>): Row => ({
  fault,
  calls: 1,
  run: Effect.gen(function* () {
    const started = performance.now()
    const ended = yield* Effect.orDie(act)
    const millis = performance.now() - started
    const nothing = { exits: [], errors: [], requests: [], executions: 0, connections: 0, mostAtOnce: 0 }
    return { ...nothing, tags: [ended], millis }
  }),
  holds: ({ tags }) => assert.deepEqual(tags, [tag])
})

/** Its tag, or that it went well. */
const tagOf = <E extends { readonly _tag: string }, R>(self: Effect.Effect<unknown, E, R>) =>
  Effect.match(self, { onSuccess: () => "success", onFailure: ({ _tag }) => _tag })

const Job = Schema.Struct({ id: Schema.String, status: Schema.String })
const params = { id: Schema.String }
const Api = HttpApi.make("jobs").add(
  HttpApiGroup.make("jobs").add(
    HttpApiEndpoint.post("submit", "/jobs", { success: Job }),
    HttpApiEndpoint.get("status", "/jobs/:id", { params, success: Job }),
    HttpApiEndpoint.delete("cancel", "/jobs/:id", { params })
  )
)

const statusOf = (status: string): JobStatus<never> =>
  status === "running"
    ? { _tag: "Running" }
    : status === "failed"
      ? { _tag: "Failed", code: "VPN_ERROR", detail: "tunnel down" }
      : { _tag: "Unknown", status }

const snapshot = ({ id, status }: typeof Job.Type) => ({ job: { jobId: id }, status: statusOf(status) })

/** A job that has this status for ever. */
const job = (fault: string, status: string, tag: string, cancelled: number) =>
  row(
    fault,
    tag,
    Effect.gen(function* () {
      const server = yield* TestServer.http(({ method }, response) => {
        if (method === "DELETE") return void response.writeHead(204).end()
        TestServer.sendJson(response, { id: "1", status })
      })
      const ended = yield* Effect.gen(function* () {
        const { jobs } = yield* ServiceClient.make(Api, { service: "jobs", policy: quick })
        const client = yield* JobApi.make(
          {
            service: "jobs",
            submit: () => Effect.map(jobs.submit(), snapshot),
            status: ({ jobId }) => Effect.map(jobs.status({ params: { id: jobId } }), snapshot),
            result: () => Effect.void,
            cancel: ({ jobId }) => jobs.cancel({ params: { id: jobId } })
          },
          { interval: "50 millis", deadline: "500 millis" }
        )
        return yield* tagOf(client.submitAndAwait(undefined))
      }).pipe(
        Effect.scoped,
        Effect.provide([ServiceRegistry.layerOf({ jobs: server.url }), NodeHttp.layer()])
      )
      const count = (method: string) => server.requests.filter((request) => request.method === method).length
      assert.equal(count("POST"), 1, "submitted once")
      assert.equal(count("DELETE"), cancelled, "cancelled where it may still run")
      assert(count("GET") <= 8, "asked at its pace")
      yield* eventually(() => server.sockets.size === 0, "sockets to be closed")
      return ended
    })
  )

const size = 2_000_000
const digest = (seed = 0, of = size) => FileServer.digestOf(of, seed).toString("hex")

interface FileRow {
  readonly turns: ReadonlyArray<FileServer.Turn>
  readonly options?: Partial<Download.FileOptions & Download.DownloaderOptions>
  /** The SHA-256 of what is there in the end; nothing is, where none is given. */
  readonly sha256?: string
  readonly name?: string
}

/** A download whose place is watched while it runs. */
const file = (fault: string, tag: string, { name = "scan.bin", options, sha256, turns }: FileRow) =>
  row(
    fault,
    tag,
    Effect.gen(function* () {
      const server = yield* FileServer.make(size, turns)
      const at = yield* folder()
      const place = join(at, name)
      const lengths = new Set<number>()
      const watch = setInterval(() => {
        if (existsSync(place)) lengths.add(statSync(place).size)
      }, 1)
      const ended = yield* Download.file(`${server.url}/scan.bin`, {
        folder: at,
        allowPrivate: [new URL(server.url).host],
        policy: { attemptTimeout: "300 millis", retry: { delay: "10 millis" } },
        ...options
      }).pipe(
        Effect.tap((done) =>
          Effect.sync(() => {
            assert.equal(done.sha256, sha256)
            assert.equal(done.path, place)
          })
        ),
        tagOf,
        Effect.provide([NodeHttp.layer(), NodeFileSystem.layer]),
        Effect.ensuring(Effect.sync(() => clearInterval(watch)))
      )
      lengths.delete(size)
      assert.deepEqual([...lengths], [], "whole, or not there")
      assert.deepEqual(readdirSync(at), sha256 === undefined ? [] : [name], "nothing beside it")
      yield* eventually(() => server.sockets.size === 0, "sockets to be closed")
      return ended
    })
  )

const base64 = FileServer.digestOf(3).toString("base64")

export const downloadRows: ReadonlyArray<Row> = [
  job("a job says a status nobody knows", "hibernating", "UnknownJobStatus", 1),
  job("a job never ends", "running", "TimedOut", 1),
  job("a job says that it failed", "failed", "JobFailed", 0),
  file("a download is cut five times", "success", {
    turns: [
      { cutAt: 0 },
      { cutAt: 10_000 },
      { cutAt: 10_001 },
      { cutAt: 1_000_000 },
      { cutAt: size - 1 },
      {}
    ],
    sha256: digest()
  }),
  file("a download stalls", "success", { turns: [{ stallAt: 700_000 }, {}], sha256: digest() }),
  file("a download changes under way", "success", {
    turns: [{ cutAt: 1_000_000 }, { seed: 1 }],
    sha256: digest(1)
  }),
  file("a download changes under way, and its server does not say so", "success", {
    turns: [{ cutAt: 1_000_000 }, { seed: 1, ignoresIfRange: true }, { seed: 1 }],
    sha256: digest(1)
  }),
  file("a download is called ../../x", "success", {
    turns: [{ headers: { "content-disposition": `attachment; filename="../../x"` } }],
    sha256: digest(),
    name: "x"
  }),
  file("a download is too large", "FileTooLarge", {
    turns: [{ chunked: true }],
    options: { maxBytes: 1_000_000 }
  }),
  file("a download has another digest than its service says", "WrongDigest", {
    turns: [{ headers: { "repr-digest": `sha-256=:${base64}:` } }]
  }),
  file("a download has another length than expected", "WrongLength", {
    turns: [{ chunked: true }],
    options: { length: size + 1 }
  }),
  file("a download from an address of this machine", "InvalidUrl", {
    turns: [{}],
    options: { allowPrivate: [] }
  })
]
