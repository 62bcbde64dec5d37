import { Buffer } from "node:buffer"
import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { Headers } from "effect/http"
import * as fc from "fast-check"
import { Decode, type Exchange } from "effect-segformer/service"
import * as Multipart from "../../src/service/Multipart.ts"

/** The module as it is where the runtime has this and nothing better. */
const loaded = async (means: "Buffer" | "fromBase64" | "atob") => {
  const buffer = globalThis.Buffer
  const fromBase64 = (text: string) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  if (means === "atob") vi.stubGlobal("Buffer", undefined)
  Object.defineProperty(Uint8Array, "fromBase64", {
    value: means === "fromBase64" ? fromBase64 : undefined,
    configurable: true,
    writable: true
  })
  vi.resetModules()
  try {
    return await import("../../src/service/Base64.ts")
  } finally {
    Reflect.deleteProperty(Uint8Array, "fromBase64")
    vi.unstubAllGlobals()
    globalThis.Buffer = buffer
  }
}

const codecs = {
  Buffer: await loaded("Buffer"),
  fromBase64: await loaded("fromBase64"),
  atob: await loaded("atob")
}

describe.each(["Buffer", "fromBase64", "atob"] as const)("Base64 by %s", (means) => {
  const { decode, encode } = codecs[means]

  it("gives back the bytes that were encoded", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200, size: "max" }), (bytes) => {
        const encoded = encode(bytes)
        assert.strictEqual(encoded, Buffer.from(bytes).toString("base64"))
        assert.deepStrictEqual(Uint8Array.from(decode(encoded)!), bytes)
        assert.deepStrictEqual(Uint8Array.from(decode(encoded.replace(/=+$/, ""))!), bytes)
      })
    )
  })

  it("encodes only the bytes of a view", () => {
    assert.strictEqual(encode(new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4)), "AQID")
  })

  it("takes the line breaks of MIME", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300, size: "max" }), (bytes) => {
        const lines = encode(bytes).replaceAll(/(.{76})/g, "$1\r\n")
        assert.deepStrictEqual(Uint8Array.from(decode(`${lines}\n`)!), bytes)
      })
    )
  })

  it("refuses any text with a character that is no base64", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 100, size: "max" }),
        fc.nat(),
        fc.constantFrom("!", "-", "_", "é", "\0", "%", ",", '"', "data:"),
        (bytes, at, stranger) => {
          const text = encode(bytes)
          const place = at % text.length
          assert.isUndefined(decode(text.slice(0, place) + stranger + text.slice(place)))
        }
      )
    )
  })

  it.each([
    "a",
    "a===",
    "====",
    "=",
    "QQ=",
    "QUJD=",
    "QUI=QUI=",
    "Q=Q=",
    "QUJDR",
    "data:image/png;base64,QUJD",
    "{}"
  ])("refuses %s", (text) => {
    assert.isUndefined(decode(text))
  })

  it("takes nothing for nothing", () => {
    assert.deepStrictEqual(Uint8Array.from(decode("")!), new Uint8Array(0))
  })
})

/** What a form parser that is not ours makes of a body. */
const parse = (parts: ReadonlyArray<Multipart.Part>) =>
  Effect.gen(function* () {
    const body = Multipart.toBody(Multipart.form(parts), false)
    if (body._tag !== "Stream" && body._tag !== "Uint8Array")
      return assert.fail(`a body of type ${body._tag}`)
    const bytes =
      body._tag === "Stream" ? Buffer.concat(yield* Stream.runCollect(body.stream)) : Buffer.from(body.body)
    assert.strictEqual(body.contentLength, bytes.length)
    const response = new Response(Uint8Array.from(bytes), {
      headers: { "content-type": body.contentType }
    })
    return yield* Effect.promise(() => response.formData())
  })

const file = (fileName: string, data: Uint8Array | Stream.Stream<Uint8Array>, size: number) => ({
  name: "image",
  content: { fileName, mediaType: "image/png", size, data }
})

describe("Multipart", () => {
  const names = [
    ["panel.png", "panel.png"],
    ['say "cheese".png', "say %22cheese%22.png"],
    ["a\r\nx-evil: 1\r\n\r\n.png", "a%0D%0Ax-evil: 1%0D%0A%0D%0A.png"],
    ["Ansicht ä 漢字 🦊.png", "Ansicht ä 漢字 🦊.png"],
    ["a;b=c\\d.png", "a;b=c\\d.png"]
  ] as const
  it.effect.each(names)("carries the file name %j", ([name, written]) =>
    Effect.gen(function* () {
      const form = yield* parse([
        file(name, new Uint8Array([1, 2, 3]), 3),
        { name: "after", content: "intact" }
      ])
      const entry = form.get("image")
      assert.isTrue(entry instanceof File)
      if (!(entry instanceof File)) return
      // A parser may undo the escapes, as the standard's own does.
      assert.include([name, written], entry.name)
      assert.strictEqual(entry.type, "image/png")
      assert.deepStrictEqual([...form.keys()], ["image", "after"])
    })
  )

  it.effect("carries any bytes, at once and as a stream, with the stated length", () =>
    Effect.gen(function* () {
      for (const bytes of fc.sample(fc.uint8Array({ maxLength: 5000, size: "max" }), 20)) {
        for (const data of [bytes, Stream.make(bytes.subarray(0, 7), bytes.subarray(7))]) {
          const form = yield* parse([
            { name: "note", content: "line 1\r\n--line 2" },
            file("a.png", data, bytes.length)
          ])
          const entry = form.get("image")
          assert.strictEqual(form.get("note"), "line 1\r\n--line 2")
          if (!(entry instanceof File)) return assert.fail("the file is missing")
          const got = new Uint8Array(yield* Effect.promise(() => entry.arrayBuffer()))
          assert.deepStrictEqual(got, Uint8Array.from(bytes))
        }
      }
    })
  )

  it("uses another boundary each time", () => {
    const boundaries = Array.from({ length: 50 }, () => {
      const body = Multipart.toBody(Multipart.form([]), false)
      return body._tag === "Uint8Array" ? body.contentType : ""
    })
    assert.strictEqual(new Set(boundaries).size, 50)
  })
})

const answer = (body: string | Uint8Array): Exchange.Answer => ({
  service: "http://host/a",
  status: 200,
  headers: Headers.fromInput({ "content-type": "text/html" }),
  body: typeof body === "string" ? new TextEncoder().encode(body) : body,
  requestId: "r-1"
})

describe("Decode", () => {
  const Item = Schema.Struct({ name: Schema.String, box: Schema.Struct({ x: Schema.Finite }) })
  const decode = Decode.schema(Schema.Struct({ items: Schema.Array(Item) }))
  const read = (of: Exchange.Answer) => Effect.catchTag(decode(of), "CodeNotLoaded", Effect.die)

  it.effect("names the field that is wrong, and quotes what stands there", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        read(answer('{"items":[{"name":"a","box":{"x":1}},{"name":"b","box":{"x":"no"}}]}'))
      )
      assert.strictEqual(error.path, "items.1.box.x")
      assert.strictEqual(error.excerpt, '"no"')
      assert.include(error.message, "`items.1.box.x`")
      assert.deepStrictEqual(
        [error.service, error.requestId, error.isRetryable],
        ["http://host/a", "r-1", false]
      )
    })
  )

  it.effect("names a field that is missing", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(read(answer("{}")))).path, "items")
      assert.strictEqual((yield* Effect.flip(read(answer('{"items":[{"name":"a"}]}')))).path, "items.0.box")
    })
  )

  it.effect("drops what the schema does not name", () =>
    Effect.gen(function* () {
      const value = yield* read(answer('{"items":[{"name":"a","box":{"x":1,"y":2}}],"extra":true}'))
      assert.deepStrictEqual(value, { items: [{ name: "a", box: { x: 1 } }] })
    })
  )

  it.effect.each([
    "",
    "<!doctype html><title>hi</title>",
    '{"items": [',
    '{"items": NaNs}',
    "\u0000\u0001",
    "nul"
  ])("%j is no JSON", (body) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read(answer(body)))
      assert.strictEqual(error.path, "")
      if (body !== "") assert.include(error.detail, "text/html")
    })
  )

  it.effect("quotes at most 200 characters on one line, however long and strange the answer", () =>
    Effect.gen(function* () {
      const bodies = fc.sample(
        fc.oneof(
          fc.uint8Array({ maxLength: 2000, size: "max" }),
          fc.string({ maxLength: 2000, size: "max" }),
          fc
            .string({ minLength: 300, maxLength: 5000 })
            .map((name) => JSON.stringify({ items: [{ name, box: name }] })),
          fc.json()
        ),
        100
      )
      for (const body of bodies) {
        const error = yield* Effect.flip(read(answer(body)))
        assert.isAtMost(error.excerpt.length, 200)
        assert.isAtMost(error.detail.length, 200)
        assert.notMatch(error.message, /[\p{Cc}]/u)
      }
    })
  )

  it.effect("takes a byte order mark", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read(answer('\ufeff{"items":[]}')), { items: [] })
    })
  )
})
