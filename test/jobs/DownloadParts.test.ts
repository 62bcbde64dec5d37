/** Answers that bring another part of a file than they should, or say that there is no more of it. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FileServer from "../support/FileServer.ts"
import { sha256, size, within } from "./downloads.ts"

const other = FileServer.digestOf(size, 1).toString("hex")
const cut = { cutAt: 100_000 } as const
const asked = ({ requests }: FileServer.FileServer) => requests.map(({ range }) => range)

describe("Download: a part that a server sends as the whole (200)", () => {
  it.live("is none of the file: all of it is asked for", () =>
    within([cut, { partStatus: 200 }, {}], ({ download, server }) =>
      Effect.gen(function* () {
        const file = yield* download()
        assert.deepStrictEqual([file.size, file.sha256, file.resumes], [size, sha256, 2])
        assert.deepStrictEqual(asked(server), [undefined, "bytes=100000-", undefined])
      })
    )
  )

  it.live.each<readonly [string, FileServer.Turn]>([
    ["its end", { headers: { "content-range": "bytes 100000-399999/400000" } }],
    ["its end, of a length that nobody says", { headers: { "content-range": `bytes 7-300006/*` } }],
    ["its beginning", { headers: { "content-range": `bytes 0-299999/400000` } }],
    [
      "its beginning, of no stated length",
      { chunked: true, headers: { "content-range": `bytes 0-299999/400000` } }
    ],
    ["less than it says", { headers: { "content-range": `bytes 0-399999/400000` } }],
    ["none of it", { size: 0, headers: { "content-range": `bytes */300000` } }]
  ])("is refused where all of it was asked for: %s", ([, turn]) =>
    within([turn], ({ download, folder, server }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(download({ keepPartial: true }))
        assert.strictEqual(error._tag, "ResponseNotDecodable")
        const range = turn.headers?.["content-range"]
        assert.include(
          error.message,
          `status 200 came with a part of the file (${range}), though all of it was asked for`
        )
        assert.deepStrictEqual([server.requests.length, readdirSync(folder)], [1, []])
      })
    )
  )

  it.live.each([
    `bytes 0-${size - 1}/${size}`,
    // The last byte counted from 1, as many do.
    `bytes 0-${size}/${size}`,
    `bytes 0-${size - 1}/*`,
    "bytes",
    "pages 3-4/5"
  ])("but says nothing of one is the whole: %s", (range) =>
    within([{ headers: { "content-range": range } }], ({ download }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* download()).sha256, sha256)
      })
    )
  )
})

describe("Download: a part of the file (206)", () => {
  it.live.each<readonly [string, FileServer.Turn]>([
    ["which ends in its midst", { partUntil: 150_000, more: 150_000 }],
    ["which ends in its midst, byte by byte", { partUntil: 150_000, more: 1 }],
    ["which is its end", { more: 5 }]
  ])("that brings more than it says is none of it: %s", ([, turn]) =>
    within([cut, turn, {}], ({ download, server }) =>
      Effect.gen(function* () {
        const file = yield* download()
        assert.deepStrictEqual([file.size, file.sha256], [size, sha256])
        assert.deepStrictEqual(asked(server), [undefined, "bytes=100000-", undefined])
      })
    )
  )

  it.live("whose end is counted from 1 goes on with it", () =>
    within([cut, { headers: { "content-range": `bytes 100000-${size}/${size}` } }], ({ download, server }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* download()).sha256, sha256)
        assert.strictEqual(server.requests.length, 2)
      })
    )
  )

  it.live("is not asked for by an empty ETag, which other files have too", () =>
    within(
      [
        { ...cut, etag: '""' },
        { seed: 1, etag: '""' }
      ],
      ({ download, server }) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* download()).sha256, other)
          assert.deepStrictEqual(asked(server), [undefined, undefined])
        })
    )
  )

  it.live("is not asked for by such an ETag that was kept", () =>
    within([cut, {}], ({ download, folder, server }) =>
      Effect.gen(function* () {
        yield* Effect.flip(download({ keepPartial: true, policy: { retry: false } }))
        const record = join(
          folder,
          readdirSync(folder).find((name) => name.endsWith(".json"))!
        )
        const kept = readFileSync(record, "utf8")
        writeFileSync(record, kept.replace(/"etag":"\\".*?\\""/, String.raw`"etag":"\"\""`))
        assert.notStrictEqual(readFileSync(record, "utf8"), kept)
        assert.strictEqual((yield* download({ keepPartial: true })).sha256, sha256)
        assert.deepStrictEqual(asked(server), [undefined, undefined])
      })
    )
  )
})

describe("Download: a file of which nothing is missing (416)", () => {
  /** All bytes come, and the connection breaks before anybody says that these are all. */
  const open = { chunked: true, openEnd: true } as const
  /** A whole of which one byte comes. */
  const silent = { stallAt: 1 } as const

  it.live.each<readonly [string, ReadonlyArray<FileServer.Turn>, boolean]>([
    ["an ETag that is the same", [{ headers: { etag: `"v0-${size}"` } }], false],
    ["a digest of the caller's", [{}], true],
    ["the ETag of the whole, of which nothing is read", [{}, silent], false],
    ["that, without a length", [{}, { ...silent, chunked: true }], false]
  ])("is done, without a retry, where it is proved by %s", ([, turns, isChecked]) =>
    within([open, ...turns], ({ download, folder, server }) =>
      Effect.gen(function* () {
        const options = {
          keepPartial: true,
          policy: { retry: false },
          ...(isChecked ? { sha256 } : {})
        } as const
        yield* Effect.flip(download(options))
        const file = yield* download(options)
        assert.deepStrictEqual([file.size, file.sha256], [size, sha256])
        assert.deepStrictEqual(
          asked(server),
          [undefined, `bytes=${size}-`, undefined].slice(0, 1 + turns.length)
        )
        assert.deepStrictEqual(readdirSync(folder), ["scan.bin"])
      })
    )
  )

  it.live("is done though the first attempt to give it its name failed", () =>
    within([{}, {}, silent], ({ download, folder }) =>
      Effect.gen(function* () {
        const options = { keepPartial: true, name: "scan.bin", policy: { retry: false } } as const
        mkdirSync(join(folder, "scan.bin"))
        writeFileSync(join(folder, "scan.bin", "x"), "")
        const error = yield* Effect.flip(download(options))
        assert.strictEqual(error._tag, "NotWritten")
        rmSync(join(folder, "scan.bin"), { recursive: true })
        assert.strictEqual((yield* download(options)).sha256, sha256)
        assert.deepStrictEqual(readdirSync(folder), ["scan.bin"])
      })
    )
  )

  it.live.each<readonly [string, ReadonlyArray<FileServer.Turn>]>([
    ["is another of that length", [{ seed: 1, ignoresIfRange: true }, { seed: 1 }]],
    [
      "is another of that length, by its ETag",
      [{ seed: 1, ignoresIfRange: true, headers: { etag: '"v1"' } }, { seed: 1 }]
    ],
    ["is another", [{ seed: 1, size: size - 1, ignoresIfRange: true }, { seed: 1 }]],
    ["has no length", [{ headers: { "content-range": "bytes" } }, { seed: 1 }]]
  ])("is another where that which is there %s", ([, turns]) =>
    within([open, ...turns], ({ download, server }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* download()).sha256, other)
        assert.deepStrictEqual(asked(server), [undefined, `bytes=${size}-`, undefined])
      })
    )
  )

  it.live("is refused where it is larger than it may be by now", () =>
    within([open, {}, silent], ({ download, folder }) =>
      Effect.gen(function* () {
        yield* Effect.flip(download({ keepPartial: true, policy: { retry: false } }))
        const error = yield* Effect.flip(download({ keepPartial: true, maxBytes: 1000 }))
        assert.strictEqual(error._tag, "FileTooLarge")
        assert.deepStrictEqual(readdirSync(folder), [])
      })
    )
  )
})
