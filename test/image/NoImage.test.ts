/** What is taken for an image and is none, or none that is read: each is told by name, by its first bytes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ImageSource } from "effect-segformer"
import { ImageHeader } from "effect-segformer/image"
import * as samples from "./samples.ts"

describe("what is no image here", () => {
  it("is told by name, with what to do", () => {
    const kinds: Readonly<Record<string, readonly [string, RegExp]>> = {
      jxl: ["\xff\x0a and more of it", /JPEG XL.*djxl/],
      "jxl in a box": ["\0\0\0\x0cJXL \r\n\x87\n and", /JPEG XL/],
      jp2: ["\0\0\0\x0cjP  \r\n\x87\n and", /JPEG 2000/],
      pdf: ["%PDF-1.7 and more", /PDF.*pdftoppm/],
      psd: ["8BPS\0\x01 and more", /Photoshop/],
      ico: ["\0\0\x01\0\x01\0\x10\x10\0\0\0\0", /ICO/],
      dicom: [`${"\0".repeat(128)}DICM and more`, /DICOM/],
      // As scanners write it that want it to be a TIFF too.
      "dicom like a TIFF": [`II*\0\x54\x18\x08\0${"\0".repeat(120)}DICM and more`, /DICOM file.*window/],
      "dicom without a word of it": ["\x08\0\x05\0CS\x0a\0ISO_IR 100", /DICOM/],
      "dicom of big numbers first": ["\0\x08\0\x05CS\0\x0aISO_IR 100", /DICOM/],
      "dicom without kinds of values": ["\x08\0\x05\0\x0a\0\0\0ISO_IR 100", /DICOM/],
      crw: ["II\x1a\0\0\0HEAPCCDR\x02\0\x01\0", /raw file.*Develop/],
      ani: ["RIFF\x18\xd5\x03\0ACONLIST", /icon or cursor/],
      ras: ["\x59\xa6\x6a\x95\0\0\0\x80\0\0", /Sun raster/],
      svg: ['<?xml version="1.0"?>\n<svg xmlns="x"/>', /SVG/],
      cr3: ["\0\0\0\x18ftypcrx \0\0\0\x01", /raw file/],
      video: ["\0\0\0\x18ftypmp42\0\0\0\0mp42isom", /video/],
      "an AVIF sequence": [
        "\0\0\0\x14ftypavis\0\0\0\0avis\0\0\0\x10moov\0\0\0\0\0\0\0\0",
        /sequence of pictures/
      ],
      "an AVIF sequence with a still picture": [
        "\0\0\0\x1cftypavis\0\0\0\0avifmif1miaf\0\0\0\x0cmeta\0\0\0\0",
        /sequence of pictures/
      ],
      tga: ["\0\0\x02\0\0\0\0\0\0\0\0\0\x25\0\x17\0\x18\0\0\0", /TGA/],
      "tga of a palette": ["\0\x01\x09\0\0\0\x01\x18\0\0\0\0\x25\0\x17\0\x08\0\0", /TGA/],
      cur: ["\0\0\x02\0\x01\0\x10\x10\0\0\0\0", /ICO/],
      dds: ["DDS |\0\0\0\x07\x10\x08\0", /DDS/],
      pcx: ["\x0a\x05\x01\x08\0\0\0\0\x24\0\x16\0", /PCX/],
      xcf: ["gimp xcf v011\0", /GIMP/],
      nifti: [`\x5c\x01\0\0${"\0".repeat(340)}n+1\0`, /NIfTI.*slice/],
      hdf5: ["\x89HDF\r\n\x1a\n\0\0\0\0", /HDF5/],
      npy: ["\x93NUMPY\x01\0v\0{'descr'", /NumPy/],
      zip: ["PK\x03\x04\x14\0\0\0\x08\0\0\0", /archive.*Unpack/],
      gzip: ["\x1f\x8b\x08\0\0\0\0\0\0\x03\0\0", /archive.*Unpack/],
      "Git LFS": ["version https://git-lfs.github.com/spec/v1\noid sha256:4d", /Git LFS.*git lfs pull/],
      pgm: ["P5 4 4 255\n and more", /Netpbm/],
      CgBI: ["\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\x50\0\x20\x02\0\0\0\0 and more of this", /CgBI/]
    }
    return Effect.forEach(Object.entries(kinds), ([name, [text, says]]) =>
      Effect.map(Effect.flip(ImageSource.bytes(Buffer.from(text, "latin1")).open()), (error) => {
        assert.strictEqual(error._tag, "UnsupportedImage", name)
        assert.match(error.message, says, name)
      })
    ).pipe(Effect.runPromise)
  })

  it("of a PNG without width the size is said", async () => {
    const file = samples.hugePngHeader()
    file.writeUInt32BE(0, 16)
    file.writeUInt32BE(0, 20)
    const error = await Effect.runPromise(Effect.flip(ImageSource.bytes(file).open()))
    assert.match(error.message, /its header says 0 x 0 pixels/)
  })

  it("BigTIFF is a TIFF in either order of bytes", () => {
    for (const little of [true, false]) {
      const file = Buffer.alloc(16 + 8 + 2 * 20 + 8)
      const view = new DataView(file.buffer, file.byteOffset)
      file.write(little ? "II" : "MM", "latin1")
      view.setUint16(2, 43, little)
      view.setUint16(4, 8, little)
      view.setBigUint64(8, 16n, little)
      view.setBigUint64(16, 2n, little)
      for (const [i, [tag, value]] of [
        [256, 8],
        [257, 6]
      ].entries()) {
        view.setUint16(24 + i * 20, tag!, little)
        view.setUint16(26 + i * 20, 16, little)
        view.setBigUint64(28 + i * 20, 1n, little)
        view.setBigUint64(36 + i * 20, BigInt(value!), little)
      }
      assert.deepInclude(ImageHeader.parse(file), { _tag: "Known", format: "tiff", width: 8, height: 6 })
    }
  })
})
