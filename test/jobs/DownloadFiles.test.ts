/** Where downloads go, what they are called there, and what is left behind of those that fail. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, PlatformError, Redacted } from "effect"
import { Download } from "effect-segformer/jobs"
import { eventually } from "../support/Eventually.ts"
import * as FileServer from "../support/FileServer.ts"
import { folder } from "../support/Folder.ts"
import { size, sha256, layer, within } from "./downloads.ts"

describe("Download: what is left behind", () => {
  it.live("nothing of one that is interrupted", () =>
    within([{ stallAt: 100_000 }], ({ download, folder, server }) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(download({ policy: { attemptTimeout: "1 minute" } }))
        yield* eventually(() => readdirSync(folder).length > 0, "a file that is begun")
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(readdirSync(folder), [])
        yield* eventually(() => server.sockets.size === 0, "its connection to be closed")
      })
    )
  )

  it.live("what came, where that is wanted: the next call goes on with it, hidden until it is whole", () =>
    within([{ cutAt: 100_000 }, {}], ({ download, folder, server }) =>
      Effect.gen(function* () {
        const keep = { keepPartial: true, name: "scan.bin" }
        yield* Effect.flip(download({ ...keep, policy: { retry: false } }))
        const left = readdirSync(folder)
        assert.strictEqual(left.length, 2)
        assert.isTrue(left.every((name) => name.startsWith(".") && !name.includes("scan")))
        assert.isFalse(left.some((name) => readFileSync(join(folder, name), "latin1").includes("s3cret")))
        assert.strictEqual((yield* download(keep)).sha256, sha256)
        assert.strictEqual(server.requests[1]?.range, "bytes=100000-")
        assert.deepStrictEqual(readdirSync(folder), ["scan.bin"])
      })
    )
  )

  it.live("what came, but of a file that has changed since, is not gone on with", () =>
    within([{ cutAt: 100_000 }, { seed: 1 }], ({ download, folder }) =>
      Effect.gen(function* () {
        yield* Effect.flip(download({ keepPartial: true, policy: { retry: false } }))
        assert.strictEqual(
          (yield* download({ keepPartial: true })).sha256,
          FileServer.digestOf(size, 1).toString("hex")
        )
        assert.deepStrictEqual(readdirSync(folder), ["scan.bin"])
      })
    )
  )

  it.live("two at once for the same file do not write into each other's", () =>
    within([{}], ({ download, folder }) =>
      Effect.gen(function* () {
        const both = yield* Effect.all(
          [download({ keepPartial: true, name: "a" }), download({ keepPartial: true, name: "b" })],
          {
            concurrency: 2
          }
        )
        assert.deepStrictEqual([both[0].sha256, both[1].sha256], [sha256, sha256])
        assert.deepStrictEqual(readdirSync(folder).sort(), ["a", "b"])
      })
    )
  )

  it.live("a file that was there stays as it is until the new one is whole", () =>
    within([{ stallAt: 100_000 }], ({ download, folder }) =>
      Effect.gen(function* () {
        writeFileSync(join(folder, "scan.bin"), "before")
        yield* Effect.flip(
          download({ name: "scan.bin", policy: { attemptTimeout: "50 millis", retry: false } })
        )
        assert.strictEqual(readFileSync(join(folder, "scan.bin"), "utf8"), "before")
      })
    )
  )

  it.live("a folder that cannot be made, and a disk that is full, are tagged", () =>
    within([{}], ({ download, folder, server }) =>
      Effect.gen(function* () {
        writeFileSync(join(folder, "file"), "")
        const error = yield* Effect.flip(download({ folder: join(folder, "file", "sub") }))
        assert.strictEqual(error._tag, "NotWritten")
        assert.match(error.message, /^Cannot write .*sub: /)
        const fs = yield* FileSystem.FileSystem
        const full = Layer.succeed(FileSystem.FileSystem, {
          ...fs,
          open: (path, options) =>
            Effect.map(fs.open(path, options), (file) => ({
              ...file,
              [FileSystem.FileTypeId]: file[FileSystem.FileTypeId],
              stat: file.stat,
              sync: file.sync,
              seek: (...given) => file.seek(...given),
              truncate: (...given) => file.truncate(...given),
              writeAll: () =>
                Effect.fail(
                  PlatformError.systemError({
                    _tag: "Unknown",
                    module: "FileSystem",
                    method: "writeAll",
                    description: "ENOSPC: no space left on device"
                  })
                )
            }))
        })
        const options = { folder, allowPrivate: [new URL(server.url).host] }
        const noRoom = yield* Effect.flip(Effect.provide(Download.file(server.url, options), full))
        assert.strictEqual(noRoom._tag, "NotWritten")
        assert.deepStrictEqual(readdirSync(folder), ["file"])
      }).pipe(Effect.provide(layer))
    )
  )
})

describe("Download: names", () => {
  const names: ReadonlyArray<readonly [string, string]> = [
    [`attachment; filename="../../x"`, "x"],
    [`attachment; filename="/etc/passwd"`, "passwd"],
    [`attachment; filename="C:\\\\temp\\\\nul.txt"`, "_nul.txt"],
    [`attachment; filename*=UTF-8''caf%C3%A9%2F..%2Fb.pdf`, "b.pdf"],
    [`attachment; filename="${"é".repeat(400)}.pdf"`, `${"é".repeat(98)}.pdf`],
    [`attachment; filename=".."`, "download"],
    [`inline`, "scan.bin"]
  ]
  it.live.each(names)("of a service are cleaned: %s", ([header, name]) =>
    within(
      [{ headers: { "content-disposition": Buffer.from(header).toString("latin1") } }],
      ({ download, folder }) =>
        Effect.gen(function* () {
          const file = yield* download()
          assert.deepStrictEqual([readdirSync(folder).length, file.path], [1, join(folder, file.name)])
          if (!header.includes("é")) assert.strictEqual(file.name, name)
          assert.isAtMost(Buffer.byteLength(file.name), 200)
        })
    )
  )

  it.live("of a service replace no file, one's own do", () =>
    within([{}], ({ download, folder }) =>
      Effect.gen(function* () {
        writeFileSync(join(folder, "scan.bin"), "mine")
        assert.strictEqual((yield* download()).name, "scan-2.bin")
        assert.strictEqual(readFileSync(join(folder, "scan.bin"), "utf8"), "mine")
        assert.strictEqual((yield* download({ name: "../scan.bin" })).path, join(folder, "scan.bin"))
        assert.strictEqual(readFileSync(join(folder, "scan.bin")).length, size)
      })
    )
  )
})

describe("Download: where it goes", () => {
  it.live("not to addresses of this machine, at once or by a redirect, unless they are allowed", () =>
    within(
      [{ status: 302, headers: { location: "http://127.0.0.2:9/secret" } }],
      ({ download, folder, server }) =>
        Effect.gen(function* () {
          const direct = yield* Effect.flip(download({ allowPrivate: [] }))
          assert.strictEqual(direct._tag, "InvalidUrl")
          assert.strictEqual(server.requests.length, 0)
          const redirected = yield* Effect.flip(download())
          assert.strictEqual(redirected._tag, "InvalidUrl")
          assert.strictEqual(server.requests.length, 1)
          assert.deepStrictEqual(readdirSync(folder), [])
        })
    )
  )

  it.live.each(["file:///etc/passwd", "no url", "http://user:hunter2@127.0.0.1/x"])("not to %s", (url) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Download.file(url, { folder: "never" }))
      assert.strictEqual(error._tag, "InvalidUrl")
      assert.isFalse(error.message.includes("hunter2"))
      assert.isFalse(existsSync("never"))
    }).pipe(Effect.provide(layer))
  )

  it.live("with its key to its service only", () =>
    Effect.gen(function* () {
      const other = yield* FileServer.make(10, [{}])
      const service = yield* FileServer.make(10, [
        {},
        { status: 302, headers: { location: `${other.url}/cdn` } }
      ])
      const at = yield* folder()
      const downloader = yield* Download.make({
        service: { baseUrl: `${service.url}/api`, apiKey: Redacted.make("k3y") },
        allowPrivate: [new URL(other.url).host]
      })
      yield* downloader.file(`${service.url}/api/jobs/1/file`, { folder: at })
      yield* downloader.file(`${service.url}/api/jobs/2/file`, { folder: at })
      yield* downloader.file(`${other.url}/x`, { folder: at })
      assert.deepStrictEqual(
        [...service.requests, ...other.requests].map(({ authorization }) => authorization),
        ["Bearer k3y", "Bearer k3y", undefined, undefined]
      )
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})
