/**
 * docs/examples/web: each framework's file, called as its framework calls it. Hono is the framework itself; Bun's and Deno's
 * own servers are in `npm run test:runtimes`; of the others it is what they say that a handler is given and gives back.
 */
import { EventEmitter } from "node:events"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Lambda } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { app } from "../../docs/examples/web/hono.ts"
import * as next from "../../docs/examples/web/next.ts"
import * as svelteKit from "../../docs/examples/web/sveltekit.ts"
import worker from "../../docs/examples/web/worker.ts"
import * as lambda from "../../docs/examples/web/lambda.ts"
import { dispose, handler } from "../../docs/examples/web/segmenter.ts"
import { serve } from "./support.ts"

// The model that the examples share.
afterAll(dispose)

const mounted = "http://app.example/api/segformer"
const image = Uint8Array.from(Fixtures.image)
const post = () => new Request(`${mounted}/v1/segment`, { method: "POST", body: image })

const frameworks: Readonly<Record<string, (request: Request) => Promise<Response>>> = {
  "Next.js": (request) => (request.method === "GET" ? next.GET(request) : next.POST(request)),
  Hono: async (request) => app.fetch(request),
  SvelteKit: (request) => svelteKit.POST({ request, getClientAddress: () => "203.0.113.7" })
}

describe("docs/examples/web", () => {
  for (const [name, answer] of Object.entries(frameworks)) {
    it.live(`${name} mounts the segmenter`, () =>
      Effect.promise(async () => {
        assert.strictEqual((await answer(new Request(`${mounted}/health`))).status, 200)
        const found = await answer(post())
        assert.strictEqual(found.status, 200)
        assert.deepInclude(await found.json(), { width: 48, height: 32 })
        const none = await answer(new Request(`${mounted}/v1/segment`, { method: "POST", body: "text" }))
        assert.strictEqual(none.status, 400)
      })
    )
  }

  it.live("Hono keeps its own routes", () =>
    Effect.promise(async () => {
      assert.match(await (await app.request("/")).text(), /api\/segformer/)
      assert.strictEqual((await app.request("/elsewhere")).status, 404)
      // Not below where it is mounted.
      const other = await handler(new Request("http://app.example/other"))
      assert.strictEqual(other.status, 404)
      assert.match(await other.text(), /mounted at \/api\/segformer/)
    })
  )

  it.live("a worker stands before a service", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const environment = { SEGFORMER_SERVICE_URL: url }
      const found = yield* Effect.promise(() => worker.fetch(post(), environment))
      assert.strictEqual(found.status, 200)
      const json: unknown = yield* Effect.promise(() => found.json())
      assert.deepInclude(json, { width: 48, height: 32 })
    }).pipe(Effect.scoped)
  )
})

const event = (method: string, path: string, body?: Uint8Array): Lambda.Event => ({
  rawPath: `/api/segformer${path}`,
  rawQueryString: "",
  headers: { "content-type": "application/octet-stream" },
  requestContext: { domainName: "abc.lambda-url.example", http: { method, sourceIp: "203.0.113.7" } },
  ...(body === undefined ? {} : { body: Buffer.from(body).toString("base64"), isBase64Encoded: true })
})

/** What Lambda's runtime has for answers in pieces, as its description says: one stream, the prelude on it first. */
const runtime = () => {
  class Out extends EventEmitter {
    readonly chunks: Array<Uint8Array> = []
    prelude: Lambda.Prelude | undefined
    ended = false
    broken: Error | undefined
    /** Full after each piece, so that whoever writes on without waiting is seen. */
    full = false
    readonly write = (chunk: Uint8Array): boolean => {
      assert.isFalse(this.full, "nothing is written before there is room")
      this.full = true
      this.chunks.push(Uint8Array.from(chunk))
      setImmediate(() => {
        this.full = false
        this.emit("drain")
      })
      return false
    }
    readonly end = (): void => void (this.ended = true)
    readonly destroy = (error?: Error): void => void (this.broken = error)
  }
  const out = new Out()
  const awslambda: Lambda.Streaming = {
    streamifyResponse: <F>(
      run: (event: Lambda.Event, stream: Out, context: Lambda.LambdaContext) => Promise<void>
    ) => ((given: Lambda.Event) => run(given, out, {})) as F,
    HttpResponseStream: {
      from: (stream, prelude) => {
        out.prelude = prelude
        return stream
      }
    }
  }
  return { awslambda, out }
}

describe("AWS Lambda", () => {
  it.live("gets an answer at once", () =>
    Effect.promise(async () => {
      const answer = Lambda.buffered(handler)
      const health = await answer(event("GET", "/health"))
      assert.strictEqual(health.statusCode, 200)
      const found = await answer(event("POST", "/v1/segment", image), {
        getRemainingTimeInMillis: () => 60_000
      })
      assert.strictEqual(found.statusCode, 200)
      const json: unknown = JSON.parse(Buffer.from(found.body, "base64").toString())
      assert.deepInclude(json, { width: 48, height: 32 })
      assert.strictEqual((await answer(event("POST", "/v1/segment", new Uint8Array(9)))).statusCode, 400)
      assert.isFunction(lambda.handler)
    })
  )

  it.live("is told which events are none of those that are taken", () =>
    Effect.promise(async () => {
      // Of a load balancer; of whatever keeps a function warm.
      for (const text of ['{"httpMethod":"GET","path":"/","requestContext":{"elb":{}}}', "{}"]) {
        const error: unknown = await Lambda.buffered(handler)(JSON.parse(text)).catch(
          (cause: unknown) => cause
        )
        assert.match(String(error), /HTTP API in format 2\.0/)
      }
    })
  )

  it.live("gets it in pieces, each when there is room", () =>
    Effect.promise(async () => {
      const { awslambda, out } = runtime()
      const pieces = ["a", "b", "c"]
      const streamed = Lambda.streaming<(event: Lambda.Event) => Promise<void>>(
        async () =>
          new Response(
            new ReadableStream<Uint8Array>({
              pull: (controller) => {
                const piece = pieces.shift()
                if (piece === undefined) controller.close()
                else controller.enqueue(new TextEncoder().encode(piece))
              }
            }),
            {
              status: 201,
              headers: [
                ["set-cookie", "a=1"],
                ["set-cookie", "b=2"],
                ["x-kind", "odd"]
              ]
            }
          ),
        awslambda
      )
      await streamed(event("GET", "/health"))
      assert.deepStrictEqual(out.prelude, {
        statusCode: 201,
        headers: { "x-kind": "odd" },
        cookies: ["a=1", "b=2"]
      })
      assert.strictEqual(Buffer.concat(out.chunks).toString(), "abc")
      assert.isTrue(out.ended)
    })
  )

  it.live("does not take an answer that breaks for a whole one", () =>
    Effect.promise(async () => {
      const { awslambda, out } = runtime()
      const body = new ReadableStream({ pull: (controller) => controller.error(new Error("it broke")) })
      const streamed = Lambda.streaming<(event: Lambda.Event) => Promise<void>>(
        async () => new Response(body),
        awslambda
      )
      await streamed(event("GET", "/health"))
      assert.isFalse(out.ended)
      assert.match(String(out.broken), /it broke/)
    })
  )

  it.live("aborts what is not done when the function's time is nearly over", () =>
    Effect.promise(async () => {
      const waiting = Lambda.buffered(
        (request) =>
          new Promise((resolve) => {
            request.signal.addEventListener("abort", () => resolve(new Response("late", { status: 503 })))
          })
      )
      const { statusCode } = await waiting(event("GET", "/health"), { getRemainingTimeInMillis: () => 1 })
      assert.strictEqual(statusCode, 503)
    })
  )
})
