/** Downloads over real sockets onto a real disk, from a server that cuts, stalls, lies and changes its mind. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Logger, PlatformError, Redacted, Stream } from "effect"
import { Download } from "effect-segformer/jobs"
import { NodeHttp } from "effect-segformer/service/node"
import { eventually } from "../support/Eventually.ts"
import * as FileServer from "../support/FileServer.ts"
import { folder } from "../support/Folder.ts"

const size = 300_000
const sha256 = FileServer.digestOf(size).toString("hex")
const layer = Layer.mergeAll(NodeHttp.layer(), NodeFileSystem.layer, Logger.layer([]))

const quick = { attemptTimeout: "1 minute", retry: { delay: "5 millis" } } as const

interface Setting {
  readonly server: FileServer.FileServer
  readonly folder: string
  readonly download: (
    options?: Partial<Download.FileOptions & Download.DownloaderOptions>
  ) => Effect.Effect<Download.DownloadedFile, Download.Failure>
}

const within = <A, E>(
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
  }).pipe(Effect.scoped)

describe("Download: a file that comes", () => {
  it.live("is at its name, whole, with its parent folders, and nothing beside it", () =>
    within([{}], ({ download, folder }) =>
      Effect.gen(function* () {
        const deep = join(folder, "a", "b")
        const file = yield* download({ folder: deep })
        assert.deepStrictEqual(
          [file.path, file.name, file.size, file.sha256, file.resumes],
          [`${deep}/scan.bin`, "scan.bin", size, sha256, 0]
        )
        assert.deepStrictEqual(readdirSync(deep), ["scan.bin"])
        assert.strictEqual(readFileSync(file.path).length, size)
      })
    )
  )

  it.live("goes on from where its connection broke, as often as it breaks", () =>
    within(
      [10, 70_000, 70_001, 200_000].map((cutAt) => ({ cutAt })).concat([{ cutAt: size }]),
      ({ download, server }) =>
        Effect.gen(function* () {
          const file = yield* download()
          assert.deepStrictEqual([file.sha256, file.resumes], [sha256, 4])
          assert.deepStrictEqual(
            server.requests.map(({ range }) => range),
            [undefined, "bytes=10-", "bytes=70000-", "bytes=70001-", "bytes=200000-"]
          )
          assert.isTrue(server.requests.slice(1).every((headers) => headers["if-range"] === `"v0-${size}"`))
        })
    )
  )

  it.live("that changes under way is another file from its first byte", () =>
    within(
      [{ cutAt: 100_000 }, { seed: 1, size: 250_000, cutAt: 50_000 }, { seed: 1, size: 250_000 }],
      ({ download }) =>
        Effect.gen(function* () {
          const file = yield* download()
          assert.deepStrictEqual(
            [file.size, file.sha256],
            [250_000, FileServer.digestOf(250_000, 1).toString("hex")]
          )
        })
    )
  )

  it.live.each<readonly [string, ReadonlyArray<FileServer.Turn>]>([
    ["a server that ignores If-Range", [{ cutAt: 100_000 }, { seed: 1, ignoresIfRange: true }, { seed: 1 }]],
    [
      "a file that became shorter",
      [{ cutAt: 100_000 }, { seed: 1, size: 99_000, ignoresIfRange: true }, { seed: 1 }]
    ]
  ])("is never put together from two: %s", ([, turns]) =>
    within(turns, ({ download }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* download()).sha256, FileServer.digestOf(size, 1).toString("hex"))
      })
    )
  )

  it.live.each<readonly [string, FileServer.Turn]>([
    ["no ETag", { etag: false }],
    ["a weak ETag", { etag: 'W/"v0"' }],
    ["no ranges", { whole: true }]
  ])("starts over where nothing says that it is the same: %s", ([, turn]) =>
    within([{ ...turn, cutAt: 100_000 }, turn], ({ download, server }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* download()).sha256, sha256)
        assert.strictEqual(server.requests.length, 2)
      })
    )
  )

  it.live("that stalls is asked for again, and its connection is closed", () =>
    within([{ stallAt: 100_000 }, {}], ({ download, server }) =>
      Effect.gen(function* () {
        const file = yield* download({ policy: { ...quick, attemptTimeout: "1 second" } })
        assert.deepStrictEqual([file.sha256, file.resumes], [sha256, 1])
        yield* eventually(() => server.sockets.size <= 1, "the first connection to be closed")
      })
    )
  )

  it.live("without a stated length is whole where its end is", () =>
    within([{ chunked: true, cutAt: 90_000 }, { chunked: true }], ({ download }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* download()).sha256, sha256)
      })
    )
  )

  it.live("tells of its progress, and ends with the file", () =>
    within([{ cutAt: 150_000 }, {}], ({ folder, server }) =>
      Effect.gen(function* () {
        const all = yield* Download.stream(`${server.url}/a.bin`, {
          folder,
          policy: quick,
          allowPrivate: [new URL(server.url).host]
        }).pipe(Stream.runCollect, Effect.provide(layer))
        const last = all.at(-1)
        assert.strictEqual(last?._tag, "DownloadedFile")
        const received = all.flatMap((each) => (each._tag === "Progress" ? [each.received] : []))
        assert.isAbove(received.length, 1)
        assert.deepStrictEqual(
          received,
          [...received].sort((a, b) => a - b)
        )
        assert.isTrue(all.every((each) => each._tag !== "Progress" || each.total === size))
      })
    )
  )
})

const base64 = (algorithm: "sha256" | "md5", of = size) =>
  FileServer.digestOf(of, 0, algorithm).toString("base64")

describe("Download: a file that is not what it should be", () => {
  const wrong = "0".repeat(64)
  const cases: ReadonlyArray<
    readonly [
      string,
      FileServer.Turn,
      Partial<Download.FileOptions & Download.DownloaderOptions>,
      string,
      RegExp
    ]
  > = [
    [
      "too large, as its length says",
      {},
      { maxBytes: 299_999 },
      "FileTooLarge",
      /larger than 299999 bytes. It has 300000/
    ],
    [
      "too large, as it turns out",
      { chunked: true },
      { maxBytes: 299_999 },
      "FileTooLarge",
      /Raise `maxBytes`/
    ],
    ["of another length than expected", {}, { length: 5 }, "WrongLength", /has 300000 bytes, but 5/],
    [
      "of another length, as it turns out",
      { chunked: true },
      { length: 5 },
      "WrongLength",
      /has 300000 bytes, but 5/
    ],
    ["of another SHA-256 than expected", {}, { sha256: wrong }, "WrongDigest", /000 was expected/],
    ["of another MD5 than expected", {}, { md5: wrong.slice(32) }, "WrongDigest", /the md5/],
    [
      "of another Repr-Digest",
      { headers: { "repr-digest": `sha-256=:${base64("sha256", 3)}:` } },
      {},
      "WrongDigest",
      /promised by its service/
    ],
    [
      "of another Digest",
      { headers: { digest: `SHA-256=${base64("sha256", 3)}` } },
      {},
      "WrongDigest",
      /promised/
    ],
    [
      "of another Content-MD5",
      { headers: { "content-md5": base64("md5", 3) } },
      {},
      "WrongDigest",
      /the md5/
    ],
    ["not there", { status: 404 }, {}, "NotFound", /404/],
    ["not ready", { status: 202 }, {}, "ResponseNotDecodable", /status 202 brings no file/]
  ]
  it.live.each(cases)("%s: a tagged error, one request, nothing left", ([, turn, options, tag, message]) =>
    within([turn], ({ download, folder, server }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(download({ ...options, keepPartial: true }))
        assert.strictEqual(error._tag, tag)
        assert.match(error.message, message)
        assert.isFalse(error.message.includes("s3cret"))
        assert.strictEqual(server.requests.length, 1)
        assert.deepStrictEqual(readdirSync(folder), [])
      })
    )
  )

  it.live("digests that are right are no hindrance", () =>
    within(
      [
        {
          headers: {
            "repr-digest": `md5=:${base64("md5")}:, sha-256=:${base64("sha256")}:`,
            digest: `sha-256=${base64("sha256")},unixsum=30637`,
            "content-md5": base64("md5")
          }
        }
      ],
      ({ download }) => Effect.asVoid(download({ sha256: sha256.toUpperCase(), length: size }))
    )
  )

  it.live("a service that is not available is asked as often as the policy says, not once more", () =>
    within([{ status: 503 }], ({ download, folder, server }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(download()))._tag, "ServiceUnavailable")
        assert.strictEqual(server.requests.length, 4)
        assert.deepStrictEqual(readdirSync(folder), [])
      })
    )
  )

  it.live("a connection that breaks without bringing anything is given up after as many attempts", () =>
    within([{ cutAt: 1000 }, { cutAt: 0 }], ({ download, folder, server }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(download())
        assert.strictEqual(error._tag, "ConnectionFailed")
        assert.isAtMost(server.requests.length, 1 + 4 * 4)
        assert.deepStrictEqual(readdirSync(folder), [])
      })
    )
  )

  it.live("a server that brings one byte a connection does not go on for ever", () =>
    within(
      Array.from({ length: 50 }, (_, at) => ({ cutAt: at + 1 })),
      ({ download, server }) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(download({ maxResumes: 5 }))
          assert.strictEqual(error._tag, "ConnectionFailed")
          assert.strictEqual(server.requests.length, 6)
        })
    )
  )

  it.live("the whole has a deadline", () =>
    within([{ stallAt: 1000 }], ({ download, folder }) =>
      Effect.gen(function* () {
        const policy = { ...quick, deadline: "1 second" } as const
        const error = yield* Effect.flip(download({ policy }))
        assert.match(error.message, /took longer than 1s, while reading the answer. Raise `deadline`/)
        assert.deepStrictEqual(readdirSync(folder), [])
      })
    )
  )
})

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
