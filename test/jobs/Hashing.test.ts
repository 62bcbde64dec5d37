import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { FileName, Hashing } from "effect-segformer/jobs"
import { ascii } from "../../src/jobs/FileName.ts"
import { codePoint } from "../support/CodePoints.ts"

const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })

describe("Hashing", () => {
  it.each(["sha-256", "md5"] as const)("%s in pieces is that of the whole", (algorithm) => {
    fc.assert(
      fc.property(pieces, (chunks) => {
        const hasher = Hashing.make(algorithm)
        for (const chunk of chunks) hasher.update(chunk)
        const expected = createHash(algorithm.replace("-", "")).update(Buffer.concat(chunks)).digest("hex")
        assert.strictEqual(Hashing.toHex(hasher.digest()), expected)
      })
    )
  })

  it.effect(
    "sha256 of bytes in memory is the same, of a part of a larger memory and of a shared one too",
    () =>
      Effect.gen(function* () {
        const shared = new Uint8Array(new SharedArrayBuffer(5))
        shared.set([1, 2, 3, 4, 5])
        for (const bytes of [new Uint8Array(), Uint8Array.of(9, 1, 2, 9).subarray(1, 3), shared]) {
          const expected = createHash("sha256").update(bytes).digest("hex")
          assert.strictEqual(yield* Hashing.sha256(bytes), expected)
        }
      })
  )
})

describe("FileName", () => {
  it("in letters of ASCII it is never hidden and never empty, also where it is cut", () => {
    const long = "x".repeat(40) + "." + "y".repeat(99)
    const names = ["café/1.png", "..\\a b", "...", "", long, `${"z".repeat(120)}.png`]
    assert.deepStrictEqual(
      names.map((name) => ascii(name, "image")),
      ["cafe_1.png", "a_b", "image", "image", "y".repeat(99), `${"z".repeat(96)}.png`]
    )
  })

  it("whatever it is given, it gives one segment that every file system takes", () => {
    const part = fc.oneof(
      fc.string({ unit: codePoint }),
      fc.constantFrom(
        "..",
        "/",
        "\\",
        ".",
        " ",
        "CON",
        "nul.txt",
        "\0",
        "\u202e",
        "é".repeat(300),
        ".env",
        "a.pdf"
      )
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const name = FileName.clean(parts.join(""))
        assert.notMatch(name, /[/\\<>:"|?*\p{Cc}]/u)
        assert.notMatch(name, /^[.\s]|[.\s]$/)
        assert.notMatch(name, /^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i)
        assert.isAbove(name.length, 0)
        assert.isAtMost(Buffer.byteLength(name), 200)
        assert.strictEqual(FileName.clean(name), name)
      }),
      { numRuns: 50 }
    )
  })

  it.each([
    ["attachment; filename=scan.png", "scan.png"],
    [`attachment; filename="a \\"b\\".png"`, `a "b".png`],
    [`attachment; filename="x.png"; filename*=UTF-8'en'%e2%82%ac.png`, "€.png"],
    [`attachment; filename*=UTF-8''%ZZ.png`, "%ZZ.png"],
    ["inline", undefined],
    [undefined, undefined]
  ])("reads %s", (header, name) => {
    assert.strictEqual(FileName.ofDisposition(header), name)
  })

  it("numbers before the extension", () => {
    assert.deepStrictEqual(
      [FileName.numbered("a.tar.gz", 2), FileName.numbered("a", 3)],
      ["a.tar-2.gz", "a-3"]
    )
  })
})
