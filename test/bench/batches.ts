/**
 * Whether several images at once cost less than one after the other: a batch in one `session.run`, eight images in one request to
 * `segformer serve`, and eight in one tensor to MLServer, which runs the same model and gathers requests by itself where it is
 * told to (`max_batch_size`).
 *
 * `npm run bench -- batches [--model FILE.onnx]`: the bundled model, or another whose input is [batch, 3, 512, 512]. Subjects take
 * turns, so that a noisy machine disturbs all alike; ratios are medians of those of neighbouring rounds.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, loadavg, tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, References, type Scope } from "effect"
import * as ort from "onnxruntime-node"
import { ImageSource, segment, Transport } from "../../src/index.ts"
import { SharpCodec } from "../../src/image/sharp.ts"
import { SegFormerOnnx } from "../../src/onnx/index.ts"
import { OpenInference, SegFormerHttp } from "../../src/http/index.ts"
import { SegFormerServer } from "../../src/server/index.ts"
import { NodeHttp } from "../../src/service/node.ts"
import { mediaType } from "../../src/http/protocol/SegFormerAnswer.ts"
import * as MlServer from "../peers/servers/MlServer.ts"
import { median, type Report } from "./Report.ts"

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const pictures = path("../fixtures/heldout/")
const images = readdirSync(pictures)
  .filter((name) => name.endsWith(".jpg"))
  .slice(0, 8)
  .map((name) => readFileSync(join(pictures, name)))

/** Processor time so far of this process and all that it started, in milliseconds. Linux counts in hundredths of a second. */
const processorTime = (): number => {
  const times = new Map<number, { readonly parent: number; readonly ticks: number }>()
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      // The name of a process stands in parentheses, and may have any character in it.
      const fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)!.split(" ")
      times.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) })
    } catch {
      // It has ended meanwhile.
    }
  }
  const own = new Set([process.pid])
  for (const each of own) for (const [pid, { parent }] of times) if (parent === each) own.add(pid)
  return 10 * [...own].reduce((sum, pid) => sum + (times.get(pid)?.ticks ?? 0), 0)
}

/** Images per second of each subject, and processor time per image, which a busy machine changes less; round by round. */
const compare = async (
  report: Report,
  name: string,
  rounds: number,
  subjects: Readonly<Record<string, () => Promise<number>>>
): Promise<void> => {
  const measured = new Map(
    Object.keys(subjects).map((subject) => [
      subject,
      { rates: Array.of<number>(), times: Array.of<number>() }
    ])
  )
  // One round warms up.
  for (let turn = -1; turn < rounds; turn++) {
    for (const [subject, once] of Object.entries(subjects)) {
      const before = processorTime()
      const started = performance.now()
      const count = await once()
      if (turn < 0) continue
      measured.get(subject)!.rates.push((count * 1000) / (performance.now() - started))
      measured.get(subject)!.times.push((processorTime() - before) / count)
    }
  }
  const [against = ""] = measured.keys()
  const first = measured.get(against)!
  const common = { bench: "batches", case: name, against }
  for (const [subject, { rates, times }] of measured) {
    report({
      ...common,
      subject,
      metric: "throughput",
      unit: "images/s",
      value: median(rates),
      ratio: median(rates.map((rate, turn) => rate / first.rates[turn]!))
    })
    report({
      ...common,
      subject,
      metric: "processor time",
      unit: "ms/image",
      value: median(times),
      ratio: median(times.map((time, turn) => time / first.times[turn]!))
    })
  }
}

/** Batches of 1 to 8 in one run, eight images each time. */
const ofSessions = async (report: Report, model: string, name: string): Promise<void> => {
  for (const threads of new Set([1, availableParallelism()])) {
    const session = await ort.InferenceSession.create(model, {
      intraOpNumThreads: threads,
      extra: { session: { intra_op: { allow_spinning: "0" } } }
    })
    const pixels = 3 * 512 * 512
    const data = Float32Array.from({ length: 8 * pixels }, (_, i) => Math.sin(i * 0.37) * 2)
    const inBatches = (batch: number) => async () => {
      for (let from = 0; from < 8; from += batch) {
        const input = data.subarray(from * pixels, (from + batch) * pixels)
        await session.run({
          [session.inputNames[0]!]: new ort.Tensor("float32", input, [batch, 3, 512, 512])
        })
      }
      return 8
    }
    await compare(report, `session.run, ${name}, ${threads} threads`, 5, {
      "batches of 1": inBatches(1),
      "batches of 2": inBatches(2),
      "batches of 4": inBatches(4),
      "batches of 8": inBatches(8)
    })
    await session.release()
  }
}

const quiet = Layer.succeed(References.MinimumLogLevel, "None")

/** Eight files, one a request or all in one, as `segformer serve` takes them. */
const ofServer = (report: Report) =>
  Effect.gen(function* () {
    const { port } = yield* SegFormerServer
    const url = `http://127.0.0.1:${port}/v1/segment`
    const post = async (body: FormData | Uint8Array<ArrayBuffer>) => {
      const answer = await fetch(url, { method: "POST", headers: { accept: mediaType }, body })
      if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`)
      await answer.arrayBuffer()
    }
    yield* Effect.promise(() =>
      compare(report, "segformer serve, the bundled model", 5, {
        "8 requests": async () => {
          await Promise.all(images.map((bytes) => post(Uint8Array.from(bytes))))
          return 8
        },
        "1 request of 8": async () => {
          const form = new FormData()
          for (const bytes of images) form.append("image", new Blob([Uint8Array.from(bytes)]), "image.jpg")
          await post(form)
          return 8
        }
      })
    )
  }).pipe(
    Effect.provide(
      SegFormerServer.layer({ port: 0, page: false, maxCacheBytes: 0 }).pipe(
        Layer.provide([SegFormerOnnx.layer(), NodeServices.layer]),
        Layer.provide(SharpCodec.layer)
      )
    ),
    Effect.provide(quiet)
  )

/** MLServer with the model, which gathers requests into batches of so many. */
const mlserver = (batch: number): Effect.Effect<string, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const cwd = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "segformer-bench-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    cpSync(path("../peers/servers/mlserver/logits"), join(cwd, "logits"), { recursive: true })
    const settings = join(cwd, "logits/model-settings.json")
    const own = { ...JSON.parse(readFileSync(settings, "utf8")), max_batch_size: batch, max_batch_time: 0.05 }
    if (batch > 1) writeFileSync(settings, JSON.stringify(own))
    const { url } = yield* MlServer.serve(cwd, cwd, "/v2/models/logits/ready")
    return url
  })

/** Eight images in a tensor each, or in one. */
const ofMlServer = (report: Report) =>
  Effect.gen(function* () {
    const [plain, gathering] = yield* Effect.all([mlserver(1), mlserver(8)])
    const eight = (baseUrl: string, batch: number | undefined) =>
      Effect.map(
        Effect.flatMap(
          OpenInference.make({ model: "logits", batch: batch === undefined ? undefined : { size: batch } }),
          (protocol) => SegFormerHttp.make({ baseUrl, protocol, policy: { attemptTimeout: "2 minutes" } })
        ),
        (transport) => () =>
          Effect.runPromise(
            Effect.forEach(images, (bytes) => segment(ImageSource.bytes(bytes)), { concurrency: 8 }).pipe(
              Effect.provideService(Transport, transport),
              Effect.as(8)
            )
          )
      )
    const subjects = {
      "8 requests": yield* eight(plain, undefined),
      "1 request of 8": yield* eight(plain, 8),
      "8 requests, gathered by the server": yield* eight(gathering, undefined)
    }
    yield* Effect.promise(() => compare(report, "MLServer, the bundled model, JSON", 3, subjects))
  }).pipe(Effect.scoped, Effect.provide([NodeHttp.layer(), SharpCodec.layer, quiet]))

export const run = async (report: Report): Promise<void> => {
  const at = process.argv.indexOf("--model")
  const own = at < 0 ? undefined : process.argv[at + 1]
  const load = () => loadavg()[0]!.toFixed(1)
  console.error(`load before: ${load()}`)
  await ofSessions(
    report,
    own ?? path("../../src/onnx/bundled/onnx/model.onnx"),
    own === undefined ? "the bundled model" : basename(own)
  )
  if (own === undefined) {
    await Effect.runPromise(ofServer(report))
    await Effect.runPromise(ofMlServer(report))
  }
  console.error(`load after: ${load()}`)
}
