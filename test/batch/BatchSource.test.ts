import { createServer } from "node:http"
import { symlinkSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Effect, FileSystem, Layer, Option, PlatformError, Result, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { BatchSource, type Item } from "effect-segformer/batch"
import { fill, folder } from "../support/Folder.ts"
import { picture } from "./support.ts"

const platform = Layer.merge(NodeFileSystem.layer, FetchHttpClient.layer)

/** Each image's key, and its size or why it cannot be opened. */
const look = (source: BatchSource.BatchSource<Item.Access>) =>
  source.items.pipe(
    Stream.mapEffect((item) =>
      Effect.map(Effect.result(item.image.open()), (opened) =>
        Result.isSuccess(opened)
          ? `${item.key} ${opened.success.width}x${opened.success.height}`
          : `${item.key} ${opened.failure._tag}`
      )
    ),
    Stream.runCollect,
    Effect.map((all) => all.toSorted()),
    Effect.provide(platform)
  )

describe("BatchSource", () => {
  it.live("a folder: images by name, in folders too; no results, nothing hidden", () =>
    Effect.gen(function* () {
      const path = yield* folder({
        "a.png": picture(1),
        "deep/er/b.PNG": picture(2, 3, 2),
        "a.png.labels.png": picture(3),
        "a.png.overlay.jpg": picture(3),
        ".hidden/c.png": picture(4),
        "notes.txt": picture(5)
      })
      symlinkSync(join(path, "nowhere.png"), join(path, "link.png"))
      symlinkSync(path, join(path, "loop.png"))
      assert.deepStrictEqual(yield* look(BatchSource.folder(path)), [
        "a.png 12x8",
        "deep/er/b.PNG 3x2",
        "link.png ImageNotFound"
      ])
      const missing = yield* Effect.flip(look(BatchSource.folder(join(path, "no"))))
      assert.strictEqual(missing._tag, "SourceNotReadable")
      assert.match(missing.message, /no such file/)
    })
  )

  it.live("a glob, as the word of a command line and as it is", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "x/a.png": picture(1), "x/b.jpg": picture(2), "y/c.png": picture(3) })
      const keys = (names: ReadonlyArray<string>) => names.map((name) => `${join(path, name)} 12x8`)
      assert.deepStrictEqual(yield* look(BatchSource.glob(`${path}/**/*.png`)), keys(["x/a.png", "y/c.png"]))
      assert.deepStrictEqual(yield* look(BatchSource.of(`${path}/x/*`)), keys(["x/a.png", "x/b.jpg"]))
      // Results are none, unless they are asked for.
      fill(path, { "y/c.png.labels.png": picture(4), "y/c.png.overlay.png": picture(4) })
      assert.deepStrictEqual(yield* look(BatchSource.glob(`${path}/y/*.png`)), keys(["y/c.png"]))
      assert.deepStrictEqual(
        yield* look(BatchSource.glob(`${path}/y/*.labels.png`)),
        keys(["y/c.png.labels.png"])
      )
      assert.deepStrictEqual(
        yield* look(BatchSource.glob(`${path}/y/*.overlay.*`)),
        keys(["y/c.png.overlay.png"])
      )
      const none = yield* Effect.flip(look(BatchSource.glob(`${path}/y/c.png.*`)))
      assert.match(none.message, /all that it matches are results of this package .*c\.png\.labels\.png/)
      // What a folder is called asks for none.
      for (const name of ["z.overlay.d", "z.labels"]) {
        fill(path, { [`${name}/d.png`]: picture(5), [`${name}/d.png.overlay.png`]: picture(5) })
        assert.deepStrictEqual(
          yield* look(BatchSource.glob(`${path}/${name}/*.png`)),
          keys([`${name}/d.png`])
        )
      }
      assert.deepStrictEqual(yield* look(BatchSource.of(`${path}/x`)), ["a.png 12x8", "b.jpg 12x8"])
      assert.deepStrictEqual(yield* look(BatchSource.of(`${path}/x/a.png`)), keys(["x/a.png"]))
    })
  )

  it.live("a CSV: quotes, ids, rows that name nothing", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "a, b.png": picture(1), "c.png": picture(2) })
      const csv = '\uFEFFid,note,Image\r\n7,"two\nlines ""here""","a, b.png"\r\n,,c.png\r\n9,x,\r\n\r\n'
      fill(path, { "list.csv": new TextEncoder().encode(csv) })
      assert.deepStrictEqual(yield* look(BatchSource.of(join(path, "list.csv"))), [
        "7 12x8",
        "c.png 12x8",
        "list.csv:4 ImageNotReadable"
      ])
      // A comma that no quotes hold would name another image, and give it another's id.
      const loose = "image,id\na, b.png,7\nc.png,8,,\nc.png,9\n"
      fill(path, { "loose.csv": new TextEncoder().encode(loose) })
      assert.deepStrictEqual(yield* look(BatchSource.of(join(path, "loose.csv"))), [
        "8 12x8",
        "9 12x8",
        "loose.csv:2 ImageNotReadable"
      ])
      fill(path, { "other.csv": new TextEncoder().encode("name,size\na.png,3\n") })
      const error = yield* Effect.flip(look(BatchSource.manifest(join(path, "other.csv"))))
      assert.match(error.message, /names no column image, .* but name, size/)
      fill(path, {
        "broken.csv": new TextEncoder().encode('image\n"c.png"\n"two\nlines.png"\n7" panel.png\n')
      })
      const broken = yield* Effect.flip(look(BatchSource.manifest(join(path, "broken.csv"))))
      assert.match(broken.message, /broken\.csv: line 5: Unexpected quote/)
    })
  )

  it.live("a quote that is never closed, or closed rows later, and lines without end", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "a.png": picture(1) })
      const read = (name: string, text: string) => {
        fill(path, { [name]: new TextEncoder().encode(text) })
        return Effect.result(look(BatchSource.manifest(join(path, name))))
      }
      const why = (found: { readonly _tag: string; readonly failure?: { readonly message: string } }) =>
        found.failure?.message ?? found._tag
      const rows = "b.png\nc.png\n".repeat(100)
      assert.match(
        why(yield* read("open.csv", `image\na.png\n"${rows}`)),
        /open\.csv: line 3: Unterminated quoted/
      )
      assert.match(
        why(yield* read("note.csv", `image,note\na.png,"x\n${rows}`)),
        /line 2: Unterminated quoted/
      )
      assert.match(why(yield* read("wide.csv", `image\na.png\n${"x".repeat(70_000)}\n`)), /line 3: .*65536/)
      const swallowed = yield* read("late.csv", 'image\na.png\n"b.png\nc.png"\na.png\n')
      assert.deepStrictEqual(swallowed._tag === "Success" ? swallowed.success : [], [
        "a.png 12x8",
        "a.png 12x8",
        "late.csv:3 ImageNotReadable"
      ])
      for (const name of ["long.txt", "long.jsonl"]) {
        const found = yield* read(name, `\n\n${"x".repeat(10_000_000)}`)
        assert.match(why(found), /line 3: it has more than 65536 characters/)
      }
    })
  )

  it.live("JSON lines and plain lines", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "a.png": picture(1), "b.png": picture(2) })
      const jsonl = ['"a.png"', '{"url":"b.png","id":12}', "{broken", '{"size":3}', ""].join("\n")
      fill(path, {
        "list.jsonl": new TextEncoder().encode(jsonl),
        "list.txt": new TextEncoder().encode(`\uFEFF# mine\n\na.png\r\n${join(path, "b.png")}\nno.png`)
      })
      assert.deepStrictEqual(yield* look(BatchSource.of(join(path, "list.jsonl"))), [
        "12 12x8",
        "a.png 12x8",
        "list.jsonl:3 ImageNotReadable",
        "list.jsonl:4 ImageNotReadable"
      ])
      assert.deepStrictEqual(
        yield* look(BatchSource.of(join(path, "list.txt"))),
        [`${join(path, "b.png")} 12x8`, "a.png 12x8", "no.png ImageNotFound"].sort()
      )
    })
  )

  it.live("ids of more digits than a number holds are taken as they are written", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "a.png": picture(1), "b.png": picture(2) })
      const ids = [
        "12345678901234567890",
        "12345678901234567891",
        "9007199254740993",
        "-9007199254740993",
        "12"
      ]
      const jsonl = ids.map((id) => `{"image":"a.png","id":${id}}`).join("\n")
      fill(path, { "list.jsonl": new TextEncoder().encode(jsonl) })
      assert.deepStrictEqual(
        yield* look(BatchSource.of(join(path, "list.jsonl"))),
        ids.map((id) => `${id} 12x8`).toSorted()
      )
    })
  )

  it.live("an id of two images names neither: the second is told, and the same image twice is one", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "a.png": picture(1), "b.png": picture(2), "c.png": picture(3) })
      const tables = {
        "list.csv": "id,image\na,a.png\na,b.png\na,a.png\nb,b.png\n,c.png\nc.png,b.png\n",
        "list.jsonl":
          '{"image":"a.png","id":"a"}\n\n{"url":"b.png","key":"a"}\n{"image":"a.png","id":"a"}\n{"id":"b","file":"b.png"}\n"c.png"\n{"id":"c.png","file":"b.png"}\n'
      }
      for (const [name, text] of Object.entries(tables)) {
        fill(path, { [name]: text })
        assert.deepStrictEqual(
          yield* look(BatchSource.of(join(path, name))),
          [
            "a 12x8",
            "a 12x8",
            "b 12x8",
            "c.png 12x8",
            `${name}:3 ImageNotReadable`,
            `${name}:7 ImageNotReadable`
          ].toSorted()
        )
      }
      const { items } = BatchSource.manifest(join(path, "list.csv"))
      const [, second] = yield* Stream.runCollect(items).pipe(Effect.provide(platform))
      const error = yield* Effect.flip(second!.image.open()).pipe(Effect.provide(platform))
      assert.match(error.message, /list\.csv:3.*the id "a" is that of another image above/)
    })
  )

  it.live("lists in UTF-16, as PowerShell and spreadsheets write them", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "ä.png": picture(1), "b.png": picture(2) })
      const big = (text: string) => Buffer.from(text, "utf16le").swap16()
      const little = (text: string) => Buffer.from(text, "utf16le")
      const texts = {
        "list.txt": "ä.png\r\nb.png\r\n",
        "list.csv": "image\r\nä.png\r\nb.png\r\n",
        "list.jsonl": '"b.png"\n{"file":"ä.png"}\n'
      }
      for (const [name, text] of Object.entries(texts)) {
        for (const bytes of [
          little(`\uFEFF${text}`),
          big(`\uFEFF${text}`),
          ...(name === "list.txt" ? [] : [little(text), big(text)])
        ]) {
          fill(path, { [name]: bytes })
          assert.deepStrictEqual(yield* look(BatchSource.of(join(path, name))), ["b.png 12x8", "ä.png 12x8"])
        }
      }
      // A piece may end within a character.
      const long = `${"# much\r\n".repeat(20_000)}ä.png\r\n`
      fill(path, { "list.txt": Buffer.concat([Buffer.from("\uFEFF", "utf16le"), little(long)]) })
      assert.deepStrictEqual(yield* look(BatchSource.of(join(path, "list.txt"))), ["ä.png 12x8"])
    })
  )

  it.live("the listing of a web server, its folders included, and none of its other links", () =>
    Effect.gen(function* () {
      const pages: Record<string, string | Uint8Array> = {
        "/line/":
          '<html><a href="../">Up</a> <a href="?C=M">Sort</a> <a href="a%20b.png">a b.png</a>' +
          '<a href="deep/">deep</a> <a href="/other/z.png">z</a> <a href="https://example.com/line/y.png">y</a></html>',
        "/line/deep/": '[{"name":"c#1.png","type":"file"},{"name":"deeper","type":"directory"}]',
        "/line/deep/deeper/": "d.png\n# nothing\nreadme.md",
        "/line/a%20b.png": picture(1),
        "/line/deep/c%231.png": picture(2),
        "/line/deep/deeper/d.png": picture(3)
      }
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer((request, response) => {
            const body = pages[request.url ?? ""]
            response.writeHead(body === undefined ? 404 : 200).end(body)
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => void server.close())
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      assert.deepStrictEqual(yield* look(BatchSource.of(`http://127.0.0.1:${port}/line/`)), [
        "a b.png 12x8",
        "deep/c#1.png 12x8",
        "deep/deeper/d.png 12x8"
      ])
      const error = yield* Effect.flip(look(BatchSource.listing(`http://127.0.0.1:${port}/nothing/`)))
      assert.strictEqual(error._tag, "SourceNotReadable")
    })
  )

  it.effect("a glob and a word are looked up in the file system that is provided", () => {
    const files = new Set(["/in/a.png", "/in/b.png"])
    const info = (type: FileSystem.File.Type): FileSystem.File.Info => ({ ...emptyInfo, type })
    const there = FileSystem.layerNoop({
      glob: () => Effect.succeed(["/in/a.png", "/in/b.png", "/in/folder.png"]),
      readDirectoryEntries: () => Effect.succeed([{ name: "b.png", type: "File" as const }]),
      stat: (path): Effect.Effect<FileSystem.File.Info, PlatformError.PlatformError> =>
        files.has(path)
          ? Effect.succeed(info("File"))
          : path.endsWith("*.png")
            ? Effect.fail(
                PlatformError.systemError({
                  _tag: "NotFound",
                  module: "FileSystem",
                  method: "stat",
                  pathOrDescriptor: path
                })
              )
            : Effect.succeed(info("Directory"))
    })
    const keys = (source: BatchSource.BatchSource<Item.Access>) =>
      Effect.map(Stream.runCollect(source.items), (all) => all.map(({ key }) => key))
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* keys(BatchSource.of("/in/*.png")), ["/in/a.png", "/in/b.png"])
      assert.deepStrictEqual(yield* keys(BatchSource.of("/in/a.png")), ["/in/a.png"])
      assert.deepStrictEqual(yield* keys(BatchSource.of("/in")), ["b.png"])
    }).pipe(Effect.provide(Layer.merge(there, FetchHttpClient.layer)))
  })
})

const none = Option.none<never>()
const emptyInfo = {
  mtime: none,
  atime: none,
  birthtime: none,
  dev: 0n,
  ino: none,
  mode: 0,
  nlink: none,
  uid: none,
  gid: none,
  rdev: none,
  size: ByteSize.bytes(0),
  blksize: none,
  blocks: none
}
