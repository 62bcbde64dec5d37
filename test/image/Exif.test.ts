/** How an image is turned, as EXIF of every make says it: by the header and by the decoder alike, or nobody could agree on a shape. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ImageSource } from "effect-segformer"
import { ImageHeader } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import sharp from "sharp"
import * as files from "./files.ts"

interface Field {
  readonly tag?: number
  readonly type?: number
  readonly count?: number
  readonly value: number
}

interface Block {
  readonly fields: ReadonlyArray<Field>
  readonly little?: boolean
  readonly magic?: number
  /** Of the fields that it says to have, those that are not there. */
  readonly missing?: number
  /** Where its directory begins. */
  readonly offset?: number
}

const sizes: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4 }

/** A block of EXIF; what has no type is a SHORT. */
const block = ({ fields, little = true, magic = 42, missing = 0, offset = 8 }: Block): Buffer => {
  const out = Buffer.alloc(offset + 2 + fields.length * 12 + 4)
  const view = new DataView(out.buffer, out.byteOffset, out.length)
  out.write(little ? "II" : "MM", "latin1")
  view.setUint16(2, magic, little)
  view.setUint32(4, offset, little)
  view.setUint16(offset, fields.length + missing, little)
  for (const [i, { count = 1, tag = 0x0112, type = 3, value }] of fields.entries()) {
    const at = offset + 2 + i * 12
    view.setUint16(at, tag, little)
    view.setUint16(at + 2, type, little)
    view.setUint32(at + 4, count, little)
    if (sizes[type] === 1) view.setUint8(at + 8, value)
    else if (sizes[type] === 2) view.setUint16(at + 8, value, little)
    else view.setUint32(at + 8, value, little)
  }
  return out
}

const segment = (content: Uint8Array, name = "Exif\0\0"): Buffer => {
  const head = Buffer.from([0xff, 0xe1, 0, content.length + name.length + 2])
  return Buffer.concat([head, Buffer.from(name, "latin1"), content])
}

const turned = { fields: [{ value: 6 }] }
const make = { tag: 0x010f, type: 2, count: 2, value: 65 }

const cases: ReadonlyArray<readonly [string, ReadonlyArray<Buffer>, number]> = [
  ...[true, false].flatMap((little): ReadonlyArray<readonly [string, ReadonlyArray<Buffer>, number]> => {
    const order = little ? "low bytes first" : "high bytes first"
    return [
      ...[1, 3, 4, 6, 8, 9].map(
        (type) =>
          [
            `of type ${type}, ${order}`,
            [segment(block({ little, fields: [make, { type, value: 8 }] }))],
            8
          ] as const
      ),
      ...[2, 5, 7].map(
        (type) =>
          [
            `of type ${type}, ${order}`,
            [segment(block({ little, fields: [{ type, value: 6 }] }))],
            1
          ] as const
      ),
      [`with fewer fields than it says, ${order}`, [segment(block({ ...turned, little, missing: 900 }))], 6],
      [`that is cut off behind it, ${order}`, [segment(block({ ...turned, little }).subarray(0, -4))], 6],
      [`that is cut off in it, ${order}`, [segment(block({ ...turned, little }).subarray(0, -6))], 1],
      [`with the directory further on, ${order}`, [segment(block({ ...turned, little, offset: 27 }))], 6],
      [`that is no TIFF, ${order}`, [segment(block({ ...turned, little, magic: 43 }))], 1]
    ]
  }),
  ["of two values", [segment(block({ fields: [{ count: 2, value: 6 }] }))], 6],
  ["of no value", [segment(block({ fields: [{ count: 0, value: 6 }] }))], 1],
  ["of values that are not there", [segment(block({ fields: [{ count: 3, value: 6 }] }))], 1],
  ["of 0", [segment(block({ fields: [{ value: 0 }] }))], 1],
  ["of 9", [segment(block({ fields: [{ value: 9 }] }))], 1],
  ["twice", [segment(block({ fields: [{ value: 6 }, { value: 8 }] }))], 6],
  ["after one that says nothing", [segment(block({ fields: [make] })), segment(block(turned))], 1],
  ["after one that is empty", [segment(Buffer.alloc(0)), segment(block(turned))], 1],
  ["before another", [segment(block(turned)), segment(block({ fields: [{ value: 3 }] }))], 6],
  ["after XMP", [segment(Buffer.from("<x/>"), "http://ns.adobe.com/xap/1.0/\0"), segment(block(turned))], 6],
  ["under another name", [segment(block(turned), "exif\0\0")], 1]
]

describe("orientation in EXIF", () => {
  it("is found as the decoder finds it", async () => {
    const plain = await sharp(new Uint8Array(8 * 6 * 3).fill(90), {
      raw: { width: 8, height: 6, channels: 3 }
    })
      .jpeg()
      .toBuffer()
    const codec = await Effect.runPromise(SharpCodec.make())
    for (const [name, segments, expected] of cases) {
      const jpeg = files.insert(plain, 2, Buffer.concat([...segments]))
      assert.deepInclude(ImageHeader.parse(jpeg), { orientation: expected, width: 8, height: 6 }, name)
      const { height, width } = await Effect.runPromise(
        Effect.flatMap(ImageSource.bytes(jpeg).open(), (image) => codec.decode(image))
      )
      assert.deepStrictEqual([width, height], expected >= 5 ? [6, 8] : [8, 6], name)
    }
  })

  it("is the same in WebP and PNG", async () => {
    const raster = { raw: { width: 8, height: 6, channels: 3 } } as const
    const picture = sharp(new Uint8Array(8 * 6 * 3).fill(90), raster).withMetadata({ orientation: 6 })
    for (const file of [await picture.webp().toBuffer(), await picture.png().toBuffer()]) {
      // A field that the block says to have and has not.
      const at = file.indexOf("II*\0")
      assert.isAbove(at, 0)
      const count = file.readUInt16LE(at + 8)
      const parsed = ImageHeader.parse(file)
      assert.deepInclude(parsed, { orientation: 6 })
      file.writeUInt16LE(count + 500, at + 8)
      assert.deepInclude(ImageHeader.parse(file), { orientation: 6 })
    }
  })
})
