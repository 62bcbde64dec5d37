/** `FILE#2` in lists, in addresses and on the command line: a page, unless a file is called so. */
import { createServer } from "node:http"
import { join } from "node:path"
import { readdirSync, writeFileSync } from "node:fs"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { BatchSource, Item } from "effect-segformer/batch"
import { ImageCodec, ImageSource } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import * as files from "../image/files.ts"
import { run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"
import { picture } from "./support.ts"

/** Pages of 1, 2 and 3 pixels. */
const pages = files.tiff(
  files.page(1, 1, 8, Uint8Array.of(10)),
  files.page(2, 1, 16, Uint8Array.of(0, 1, 255, 1)),
  files.page(3, 1, 8, Uint8Array.of(30, 31, 32))
)
const http = Layer.provideMerge(NodeFileSystem.layer, FetchHttpClient.layer)
const platform = Layer.merge(SharpCodec.layer, http)

const opened = (source: BatchSource.BatchSource<Item.Access>) =>
  source.items.pipe(
    Stream.mapEffect((item) =>
      Effect.map(Effect.result(item.image.open()), (found) =>
        found._tag === "Success"
          ? `${item.key} ${found.success.width}x${found.success.height} ${found.success.hasMore === true ? "and more" : ""}`.trim()
          : `${item.key} ${found.failure.message}`
      )
    ),
    Stream.runCollect
  )

describe("a page by FILE#2", () => {
  const lists: Readonly<Record<string, string>> = {
    "list.txt":
      "# pages\nscan.tif\nscan.tif#1\nscan.tif#2\nscan.tif#3\nscan.tif#4\nodd.tif#2\nnone.tif#2\na.png#2\n",
    "list.csv":
      "image\r\nscan.tif\r\nscan.tif#1\r\nscan.tif#2\r\nscan.tif#3\r\nscan.tif#4\r\nodd.tif#2\r\nnone.tif#2\r\na.png#2\r\n",
    "list.jsonl":
      '"scan.tif"\n{"file":"scan.tif#1"}\n"scan.tif#2"\n"scan.tif#3"\n"scan.tif#4"\n"odd.tif#2"\n"none.tif#2"\n"a.png#2"\n'
  }

  it.live("in lists of every kind, each its own key", () =>
    Effect.gen(function* () {
      const path = yield* folder({
        ...lists,
        "scan.tif": pages,
        "odd.tif#2": picture(1),
        "odd.tif": pages,
        "a.png": picture(2)
      })
      for (const name of Object.keys(lists)) {
        const found = yield* opened(BatchSource.manifest(join(path, name)))
        assert.deepStrictEqual(found.slice(0, 4), [
          "scan.tif 1x1 and more",
          "scan.tif#1 1x1",
          "scan.tif#2 2x1",
          "scan.tif#3 3x1"
        ])
        assert.match(found[4]!, /^scan\.tif#4 .*it has 3 pages, and page 4 was asked for/)
        assert.strictEqual(found[5], "odd.tif#2 12x8")
        assert.match(found[6]!, /^none\.tif#2 Nothing|^none\.tif#2 .*no/i)
        assert.match(found[7]!, /^a\.png#2 .*it has one page, and page 2 was asked for/)
      }
      assert.deepStrictEqual(yield* opened(BatchSource.of(join(path, "scan.tif#3"))), [
        `${join(path, "scan.tif#3")} 3x1`
      ])
    }).pipe(Effect.provide(platform))
  )

  it.live("with a stretch, both; a page that is chosen stays", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "scan.tif": pages })
      const codec = yield* ImageCodec
      const stretch = { black: 256, white: 511, unit: "number" } as const
      for (const image of [
        Item.file(join(path, "scan.tif#2")).image,
        ImageSource.view(ImageSource.file(join(path, "scan.tif")), { page: 2 })
      ]) {
        const seen = yield* ImageSource.view(image, { page: 3, stretch }).open()
        const { data, width } = yield* codec.decode(seen)
        assert.deepStrictEqual([width, [...data]], [2, [0, 0, 0, 255, 255, 255]])
      }
    }).pipe(Effect.provide(platform))
  )

  it.live("needs a decoder, and says so where there is none", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "scan.tif": pages })
      const error = yield* Effect.flip(Item.file(join(path, "scan.tif#2")).image.open())
      assert.match(error.message, /provide SharpCodec\.layer/)
      assert.strictEqual((yield* Item.file(join(path, "scan.tif")).image.open()).width, 1)
    }).pipe(Effect.provide(http))
  )

  it.live("of an address, in a list and on the command line", () =>
    Effect.gen(function* () {
      const server = createServer((_, response) => response.end(pages))
      yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      const address = server.address()
      const port = typeof address === "object" ? address?.port : undefined
      const url = `http://127.0.0.1:${port}/scan.tif`
      const cwd = yield* folder({ "scan.tif": pages })
      writeFileSync(join(cwd, "list.txt"), `${url}#2\n${url}#3\nscan.tif#2\n`)
      assert.deepStrictEqual(
        yield* Effect.provide(opened(BatchSource.manifest(join(cwd, "list.txt"))), platform),
        [`${url}#2 2x1`, `${url}#3 3x1`, "scan.tif#2 2x1"]
      )
      const { code, stderr } = yield* run(["segment", `${url}#2`, `${url}#3`, "--out", "out", "--quiet"], {
        cwd
      })
      assert.strictEqual(code, 0, stderr)
      assert.includeMembers(readdirSync(join(cwd, "out")), ["scan-page2.json", "scan-page3.json"])
    }).pipe(Effect.scoped)
  )
})
