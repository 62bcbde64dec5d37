/** `segformer serve` in a process of its own: its models, tokens, telemetry and cache, as an operator sets them. */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fixtures } from "effect-segformer/testing"
import { run, type RunOptions, start } from "../support/Command.ts"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { http } from "../support/TestServer.ts"
import { ask } from "./support.ts"

const serving = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options?: RunOptions) {
  const running = yield* start(["serve", "--port", "0", ...args], options)
  yield* eventually(() => / at http:\/\/\S+/.test(running.stderr()) || running.process.exitCode !== null)
  const url = / at (http:\/\/\S+)/.exec(running.stderr())?.[1]
  assert.isDefined(url, running.stderr())
  return { running, url: url ?? "" }
})

const secret = "a-token-that-nobody-guesses"
const image = (headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  body: Uint8Array.from(Fixtures.image),
  headers
})

describe("segformer serve", () => {
  it.live("serves several models, and says where they, the page and the API are", () =>
    Effect.gen(function* () {
      const bundled = "src/onnx/bundled"
      const { running, url } = yield* serving(["--model", `one=${bundled}`, "--model", `two=${bundled}`])
      const line = running
        .stderr()
        .split("\n")
        .find((text) => text.includes("Serving"))
      assert.include(line, `Serving one, two at ${url} (inspection); page: ${url}/, API: ${url}/docs`)
      const { body } = yield* ask(`${url}/v1/models`)
      const { models } = JSON.parse(body.toString())
      assert.deepStrictEqual(
        models.map(({ name, default: chosen }: { name: string; default: boolean }) => [name, chosen]),
        [
          ["one", true],
          ["two", false]
        ]
      )
      const answers = yield* Effect.forEach(["one", "two"], (name) =>
        ask(`${url}/v1/segment?model=${name}`, image({ accept: "image/png" }))
      )
      assert.isTrue(answers[0]!.body.equals(answers[1]!.body))
      const page = yield* ask(url, { headers: { accept: "text/html" } })
      assert.match(page.headers.get("content-type") ?? "", /^text\/html/)
    }).pipe(Effect.scoped)
  )

  it.live("takes tokens from a file and from the environment, and flags from the environment", () =>
    Effect.gen(function* () {
      const path = join(yield* folder({ "tokens.txt": `# people\nfirst-token\n\n${secret}\n` }), "tokens.txt")
      const { running, url } = yield* serving(["--token-file", path], {
        env: {
          SEGFORMER_SERVE_TOKENS: "third-token, fourth-token",
          SEGFORMER_SERVE_HOST: "0.0.0.0",
          SEGFORMER_SERVE_MAX_PIXELS: "1535"
        }
      })
      const local = url.replace("0.0.0.0", "127.0.0.1")
      for (const token of ["first-token", secret, "third-token", "fourth-token"]) {
        const { status } = yield* ask(`${local}/v1/models`, { headers: { authorization: `Bearer ${token}` } })
        assert.strictEqual(status, 200, token)
      }
      for (const token of ["# people", "people", "third-token, fourth-token"]) {
        const { status } = yield* ask(`${local}/v1/models`, { headers: { authorization: `Bearer ${token}` } })
        assert.strictEqual(status, 401, token)
      }
      const large = yield* ask(`${local}/v1/segment`, image({ authorization: `Bearer ${secret}` }))
      assert.strictEqual(large.status, 413)
      assert.include(large.body.toString(), "1536 pixels, and this service takes at most 1535")
      for (const token of [secret, "third-token"]) assert.notInclude(running.stderr(), token)
    }).pipe(Effect.scoped)
  )

  it.live("says what annotation tools are told, and lets their network in", () =>
    Effect.gen(function* () {
      const studio = yield* http((_, response) => {
        response.writeHead(200).end(Fixtures.image)
      })
      const { running, url } = yield* serving(
        ["--protocol", "labelstudio,cvat", "--host", "0.0.0.0", "--allow-from", "172.16.0.0/12, loopback"],
        { env: { LABEL_STUDIO_URL: studio.url, LABEL_STUDIO_API_KEY: secret, SEGFORMER_SERVE_MIN_AREA: "3" } }
      )
      const port = new URL(url).port
      yield* eventually(() => running.stderr().includes("CVAT_NUCLIO_PORT"))
      const lines = running.stderr()
      assert.include(
        lines,
        `http://127.0.0.1:${port}, or from a container http://host.docker.internal:${port}`
      )
      assert.include(lines, `CVAT_NUCLIO_HOST=host.docker.internal CVAT_NUCLIO_PORT=${port}`)
      const { json } = yield* ask(`http://127.0.0.1:${port}/api/functions`)
      assert.include(Object.keys(json), "bundled-click")
      const { body } = yield* ask(`http://127.0.0.1:${port}/predict`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          tasks: [{ id: 1, data: { image: "/data/upload/1/a.png" } }],
          label_config:
            '<View><Image name="i" value="$image"/><BrushLabels name="t" toName="i"><Label value="scratch"/></BrushLabels></View>'
        })
      })
      assert.lengthOf(JSON.parse(body.toString()).results, 1)
      assert.strictEqual(studio.requests[0]?.headers["authorization"], `Token ${secret}`)
      assert.notInclude(running.stderr(), secret)
    }).pipe(Effect.scoped)
  )

  it.live("does not start where that would be unsafe or unclear", () =>
    Effect.gen(function* () {
      const place = yield* folder({ "empty.txt": "# nobody yet\n" })
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, Record<string, string>, RegExp]> = [
        [["--host", "0.0.0.0"], {}, /let anyone in.*--token-file.*--allow-anyone/],
        [["--host", "0.0.0.0", "--allow-from", "docker"], {}, /"docker" is no address to let in/],
        [["--label-studio", "http://ls:8080"], {}, /--label-studio .*add --protocol labelstudio/],
        [["--min-area", "5"], {}, /--min-area .*add --protocol labelstudio or cvat/],
        [["--protocol", "labelstudio", "--objects", "pixel"], {}, /region or class, and not "pixel"/],
        [
          ["--protocol", "labelstudio"],
          { LABEL_STUDIO_URL: "label-studio" },
          /LABEL_STUDIO_URL is "label-studio"/
        ],
        [
          ["--protocol", "labelstudio"],
          { LABEL_STUDIO_URL: "http://me:pw@ls" },
          /its key is LABEL_STUDIO_API_KEY/
        ],
        [["--protocol", "labelstudio"], { LABEL_STUDIO_URL: "ftp://ls" }, /starts with http/],
        [["--protocol", "labelstudio"], { LABEL_STUDIO_URL: "localhost:8080" }, /starts with http/],
        [["--protocol", "labelstudio"], { LABEL_STUDIO_URL: '"http://ls"' }, /no address such as/],
        [["--protocol", "labelstudio"], { LABEL_STUDIO_API_KEY: "a\nb" }, /characters that no key has/],
        [["--token-file", join(place, "tokens")], {}, /cannot read the tokens in .*tokens/],
        [["--token-file", join(place, "empty.txt")], {}, /there is no token in/],
        [["--model", "a=x", "--model", "a=y"], {}, /two models are called a/],
        [["--url", "http://127.0.0.1:1", "--model", "x"], {}, /not both/],
        [[], { SEGFORMER_SERVE_PORT: "70000" }, /SEGFORMER_SERVE_PORT is "70000"/],
        [
          [],
          { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
          /OTEL_EXPORTER_OTLP_PROTOCOL/
        ]
      ]
      const ended = yield* Effect.forEach(cases, ([args, env]) => run(["serve", ...args], { env }), {
        concurrency: 2
      })
      for (const [index, { code, stderr }] of ended.entries()) {
        assert.strictEqual(code, 2, stderr)
        assert.match(stderr, cases[index]![2])
      }
    }).pipe(Effect.scoped)
  )

  it.live(
    "sends traces and logs where the environment says, as part of the caller's trace, without secrets",
    () =>
      Effect.gen(function* () {
        const received: Array<{ readonly path: string; readonly text: string }> = []
        const collector = yield* http((request, response) => {
          received.push({ path: request.path, text: request.body.toString() })
          response.writeHead(200, { "content-type": "application/json" }).end("{}")
        })
        const { running, url } = yield* serving([], {
          env: {
            SEGFORMER_SERVE_TOKENS: secret,
            OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
            OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
            OTEL_SERVICE_NAME: "panels",
            OTEL_BSP_SCHEDULE_DELAY: "100",
            OTEL_BLRP_SCHEDULE_DELAY: "100"
          }
        })
        const trace = "0af7651916cd43dd8448eb211c80319c"
        const parent = "b7ad6b7169203331"
        const headers = { traceparent: `00-${trace}-${parent}-01` }
        yield* ask(
          `${url}/v1/segment?model=segformer`,
          image({ ...headers, authorization: `Bearer ${secret}` })
        )
        yield* ask(`${url}/v1/segment`, image({ authorization: `Bearer ${secret}x` }))
        running.process.kill("SIGTERM")
        const { code } = yield* Effect.promise(() => running.ended)
        assert.strictEqual(code, 0)
        const spans = received
          .filter(({ path }) => path === "/v1/traces")
          .flatMap(({ text }) => spansOf(text))
        const server = spans.find((span) => span.traceId === trace && span.parentSpanId === parent)
        assert.isDefined(server)
        assert.isTrue(spans.some(({ name, traceId }) => name === "Segmenter.segment" && traceId === trace))
        const logs = received.filter(({ path }) => path === "/v1/logs").map(({ text }) => text)
        assert.match(logs.join(""), /POST \/v1\/segment 200/)
        assert.match(logs.join(""), /panels/)
        // On the terminal as well.
        assert.match(running.stderr(), /POST \/v1\/segment 401/)
        const all = [...received.map(({ text }) => text), running.stderr()].join("")
        assert.notInclude(all, secret)
      }).pipe(Effect.scoped)
  )
})

interface Span {
  readonly name: string
  readonly traceId: string
  readonly parentSpanId: string | undefined
}

const spansOf = (text: string): ReadonlyArray<Span> => {
  const { resourceSpans } = JSON.parse(text)
  return resourceSpans.flatMap(
    ({ scopeSpans }: { scopeSpans: ReadonlyArray<{ spans: ReadonlyArray<Span> }> }) =>
      scopeSpans.flatMap(({ spans }) => spans)
  )
}
