/** Downloads one file in a process of its own, and tells how it went and how much memory it took above the start. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, Layer, Logger } from "effect"
import { Download } from "effect-segformer/jobs"
import { NodeHttp } from "effect-segformer/service/node"

export interface Told {
  readonly file: Download.DownloadedFile
  /** Peak above the start, in bytes. */
  readonly memory: number
}

const [url = "", folder = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const downloader = yield* Download.make({
    allowPrivate: [new URL(url).host],
    policy: { retry: { delay: "10 millis" } }
  })
  // What the runtime sets aside while it warms up is not what a gigabyte takes.
  yield* downloader.file(`${url}/first`, { folder, name: "first.bin" })
  const before = process.memoryUsage().rss
  let most = before
  const watch = setInterval(() => void (most = Math.max(most, process.memoryUsage().rss)), 2)
  const file = yield* downloader.file(`${url}/large`, { folder, name: "large.bin" })
  clearInterval(watch)
  return { file, memory: most - before } satisfies Told
}).pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(NodeHttp.layer(), NodeFileSystem.layer, Logger.layer([])))
)

process.send?.(await Effect.runPromise(program))
process.disconnect?.()
