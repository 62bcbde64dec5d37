/** What tests of downloads share: a server that cuts, stalls, lies and changes its mind, and a folder. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, Layer, Logger } from "effect"
import { Download } from "effect-segformer/jobs"
import { NodeHttp } from "effect-segformer/service/node"
import * as FileServer from "../support/FileServer.ts"
import { folder } from "../support/Folder.ts"
import { steadily } from "../support/Steadily.ts"

export const size = 300_000
export const sha256 = FileServer.digestOf(size).toString("hex")
export const layer = Layer.mergeAll(NodeHttp.layer(), NodeFileSystem.layer, Logger.layer([]))

export const quick = { attemptTimeout: "1 minute", retry: { delay: "5 millis" } } as const

export interface Setting {
  readonly server: FileServer.FileServer
  readonly folder: string
  readonly download: (
    options?: Partial<Download.FileOptions & Download.DownloaderOptions>
  ) => Effect.Effect<Download.DownloadedFile, Download.Failure>
}

export const within = <A, E>(
  turns: ReadonlyArray<FileServer.Turn>,
  test: (setting: Setting) => Effect.Effect<A, E>,
  path = "/files/scan.bin?token=s3cret"
) =>
  Effect.gen(function* () {
    const server = yield* FileServer.make(size, turns)
    const at = yield* folder()
    const context = yield* Layer.build(layer)
    const download: Setting["download"] = (options) =>
      Download.file(server.url + path, {
        folder: at,
        allowPrivate: [new URL(server.url).host],
        policy: quick,
        ...options
      }).pipe(Effect.provideContext(context))
    return yield* Effect.provideContext(test({ server, folder: at, download }), context)
  }).pipe(Effect.scoped, steadily)

export const base64 = (algorithm: "sha256" | "md5", of = size) =>
  FileServer.digestOf(of, 0, algorithm).toString("base64")
