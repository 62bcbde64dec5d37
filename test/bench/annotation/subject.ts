/**
 * One way to segment pictures, in a process of its own: `node subject.ts SUBJECT`. "batch" works through folders that it is told, as
 * `segformer batch` does; "labelstudio" and "cvat" serve, and say where.
 * A server has the memory for results that `segformer serve` gives it.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, Layer, ManagedRuntime, References } from "effect"
import { Batch, BatchSource, Sinks } from "../../../src/batch/index.ts"
import { SharpCodec } from "../../../src/image/sharp.ts"
import { SegFormerOnnx } from "../../../src/onnx/index.ts"
import { CvatDialect, LabelStudioDialect, SegFormerServer } from "../../../src/server/index.ts"

const [subject = "", pictures = ""] = process.argv.slice(2)

const runtime = ManagedRuntime.make(
  Layer.mergeAll(
    SegFormerOnnx.layer().pipe(Layer.provide(SharpCodec.layer), Layer.orDie),
    SharpCodec.layer,
    NodeFileSystem.layer,
    Layer.succeed(References.MinimumLogLevel, "None")
  )
)

/** Works through a folder; results go to one that does not stay. */
const batch = async (folder: string): Promise<number> => {
  const out = mkdtempSync(join(tmpdir(), "segformer-bench-"))
  try {
    const started = performance.now()
    const { settled } = await runtime.runPromise(
      Batch.run({
        source: BatchSource.folder(folder),
        sinks: [Sinks.results({ folder: out })],
        folder: join(out, ".segformer"),
        concurrency: 4
      })
    )
    if (settled.failed > 0) throw new Error(`${settled.failed} images failed`)
    return (performance.now() - started) / 1000
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

if (subject === "batch") {
  process.on("message", (folder: string) => void batch(folder).then((seconds) => process.send!(seconds)))
  process.send!("ready")
} else {
  const dialect =
    subject === "cvat" ? CvatDialect.make() : LabelStudioDialect.make({ hosts: [`127.0.0.1:${pictures}`] })
  const serving = Effect.andThen(
    SegFormerServer.make({ port: 0, dialects: [dialect], maxCacheBytes: 64 * 1024 * 1024 }).pipe(
      Effect.tap(({ url }) => Effect.sync(() => process.send!(url)))
    ),
    Effect.never
  )
  void runtime.runPromise(Effect.scoped(serving))
}
process.on("disconnect", () => process.exit())
