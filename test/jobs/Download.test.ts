/** Downloads over real sockets onto a real disk, from a server that cuts, stalls, lies and changes its mind. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Download } from "effect-segformer/jobs"
import { eventually } from "../support/Eventually.ts"
import * as FileServer from "../support/FileServer.ts"
import { size, sha256, layer, quick, within, base64 } from "./downloads.ts"

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

  const today = { "last-modified": "Thu, 01 Jan 2026 00:00:05 GMT" }
  const tomorrow = { "last-modified": "Fri, 02 Jan 2026 00:00:05 GMT" }
  const unknown = { etag: false, ignoresIfRange: true } as const

  it.live.each<readonly [string, ReadonlyArray<FileServer.Turn>]>([
    ["neither an ETag nor a date", [{ cutAt: 100_000 }, { ...unknown, seed: 1 }, { seed: 1 }]],
    [
      "another date",
      [
        { cutAt: 100_000, headers: today },
        { ...unknown, seed: 1, headers: tomorrow },
        { seed: 1, headers: tomorrow }
      ]
    ]
  ])("is never put together from two, where a part has %s", ([, turns]) =>
    within(turns, ({ download, server }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* download()).sha256, FileServer.digestOf(size, 1).toString("hex"))
        assert.strictEqual(server.requests.length, 3)
      })
    )
  )

  it.live.each<readonly [string, ReadonlyArray<FileServer.Turn>, Partial<Download.FileOptions>]>([
    [
      "its date",
      [
        { cutAt: 100_000, headers: today },
        { ...unknown, headers: today }
      ],
      {}
    ],
    ["a digest of the caller's", [{ cutAt: 100_000 }, unknown], { sha256 }],
    [
      "a digest of its service's",
      [{ cutAt: 100_000, headers: { "content-md5": base64("md5") } }, unknown],
      {}
    ]
  ])("goes on with a part without an ETag where %s tells", ([, turns, options]) =>
    within(turns, ({ download, server }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* download(options)).sha256, sha256)
        assert.strictEqual(server.requests.length, 2)
      })
    )
  )

  it.live("that began without a stated length has the one that its parts state", () =>
    within(
      [{ chunked: true, cutAt: 90_000 }, { partUntil: 150_000 }, { partUntil: 299_999 }, {}],
      ({ download, server }) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* download()).sha256, sha256)
          assert.deepStrictEqual(
            server.requests.map(({ range }) => range),
            [undefined, "bytes=90000-", "bytes=150000-", "bytes=299999-"]
          )
        })
    )
  )

  it.live("is asked for anew where nobody says how long the whole is", () =>
    within(
      [
        { chunked: true, cutAt: 90_000 },
        { partUntil: 150_000, headers: { "content-range": "bytes 90000-149999/*" } },
        { chunked: true }
      ],
      ({ download }) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* download()).sha256, sha256)
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

  it.live.each<readonly [string, Readonly<Record<string, string>>]>([
    ["of other bytes", { "content-range": `bytes 7-${size - 1}/${size}` }],
    ["of another length", { "content-range": `bytes 1000-${size}/${size + 1}` }],
    ["without its place", { "content-range": "bytes" }],
    ["of another file", { etag: '"v9"' }]
  ])("a server whose parts are always %s is given up as one that brings nothing is", ([, headers]) =>
    within(
      Array.from({ length: 60 }, (_, at) => (at % 2 === 0 ? { cutAt: 1000 } : { headers })),
      ({ download, server }) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(download())
          assert.strictEqual(error._tag, "ConnectionFailed")
          assert.match(error.message, /the part is of another file/)
          assert.strictEqual(server.requests.length, 8)
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
