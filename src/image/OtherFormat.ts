/**
 * Kinds of files that people take for images and that are not read here: known by their first bytes, so that an error
 * says what a file is and what to do, and by their endings where a folder of them would be passed over without a word.
 */
import type { Ascii } from "./HeaderFound.ts"
import { NotAnImage, UnsupportedImage } from "./ImageError.ts"

export interface OtherFormat {
  /** As `UnsupportedImage.format` has it. */
  readonly format: string
  readonly title: string
  /** Of files that hold a picture as a photo does; none where folders hold them for other reasons. */
  readonly endings?: ReadonlyArray<string>
  readonly begins: (ascii: Ascii) => boolean
  /** What to do; to convert it to PNG by default. */
  readonly advice?: string
}

const starts =
  (...texts: ReadonlyArray<string>) =>
  (ascii: Ascii): boolean =>
    texts.some((text) => ascii(0, text.length) === text)

/** Whether the bytes from a place on are each one of those that are given for it. */
const fits = (ascii: Ascii, from: number, ...signs: ReadonlyArray<string>): boolean =>
  signs.every((allowed, at) => {
    const sign = ascii(from + at, 1)
    return sign !== "" && allowed.includes(sign)
  })

const toPng = "Convert it to PNG"
const develop = "Develop it, and save a JPEG, PNG or TIFF"

const all: ReadonlyArray<OtherFormat> = [
  {
    format: "jxl",
    title: "JPEG XL",
    endings: ["jxl"],
    begins: starts("\xff\x0a", "\0\0\0\x0cJXL \r\n\x87\n"),
    advice: `${toPng} (djxl in.jxl out.png)`
  },
  {
    format: "jp2",
    title: "JPEG 2000",
    endings: ["jp2", "j2k", "jpf", "jpx", "jpm", "j2c"],
    begins: starts("\0\0\0\x0cjP  \r\n\x87\n", "\xff\x4f\xff\x51"),
    advice: `${toPng} (opj_decompress -i in.jp2 -o out.png)`
  },
  {
    format: "psd",
    title: "Photoshop document",
    endings: ["psd", "psb"],
    begins: starts("8BPS"),
    advice: "Export it as PNG or TIFF"
  },
  {
    format: "dicom",
    title: "DICOM file",
    endings: ["dcm", "dicom"],
    // Of older ones that do not say so, the first element has a number and a kind of value, or begins a list of them.
    begins: (ascii) =>
      ascii(128, 4) === "DICM" ||
      (((fits(ascii, 0, "\x02\x08", "\0") && ascii(3, 1) === "\0") ||
        fits(ascii, 0, "\0", "\x02\x08", "\0")) &&
        /^(?:UL|CS|UI|DA|SH|LO|OB)$/.test(ascii(4, 2))) ||
      (fits(ascii, 0, "\x08", "\0", "\0\x01\x05\x08\x16\x18", "\0") && ascii(5, 3) === "\0\0\0"),
    advice: "Export its picture as 8-bit or 16-bit PNG, with the window that shows what is to be found"
  },
  { format: "jxr", title: "JPEG XR", endings: ["jxr", "wdp", "hdp"], begins: starts("II\xbc\x01") },
  { format: "exr", title: "OpenEXR", endings: ["exr"], begins: starts("v/1\x01") },
  {
    format: "hdr",
    title: "Radiance HDR",
    // Without endings: files of ENVI have them too, and are text.
    begins: starts("#?RADIANCE", "#?RGBE")
  },
  {
    format: "netpbm",
    title: "Netpbm (PBM, PGM, PPM, PAM)",
    endings: ["pbm", "pgm", "ppm", "pnm", "pam", "pfm"],
    begins: (ascii) => /^P[1-7fF][\s#]/.test(ascii(0, 3))
  },
  { format: "qoi", title: "QOI", endings: ["qoi"], begins: starts("qoif") },
  { format: "fits", title: "FITS", endings: ["fits", "fit", "fts"], begins: starts("SIMPLE  =") },
  {
    format: "raw",
    title: "camera's raw file",
    begins: (ascii) =>
      starts("FUJIFILMCCD-RAW", "IIRO", "IIRS", "IIU\0", "MMOR", "FOVb")(ascii) ||
      ascii(4, 8) === "ftypcrx " ||
      ascii(6, 8) === "HEAPCCDR",
    advice: develop
  },
  {
    format: "ico",
    title: "icon or cursor (ICO, CUR, ANI)",
    // Of one picture at least; a TGA may begin like one of none.
    begins: (ascii) =>
      ascii(8, 4) === "ACON" ||
      (fits(ascii, 0, "\0", "\0", "\x01\x02", "\0") && ascii(4, 1) !== "\0" && ascii(5, 1) === "\0")
  },
  {
    format: "dib",
    title: "bitmap without its file's header, as a clipboard has it",
    begins: (ascii) => starts("\x28\0\0\0")(ascii) && ascii(12, 2) === "\x01\0"
  },
  { format: "icns", title: "icon (ICNS)", endings: [], begins: starts("icns") },
  {
    format: "pdf",
    title: "PDF",
    begins: starts("%PDF-"),
    advice: "Make a picture of each page (pdftoppm -png -r 200 in.pdf page)"
  },
  { format: "postscript", title: "PostScript", begins: starts("%!PS", "\xc5\xd0\xd3\xc6") },
  {
    format: "svg",
    title: "drawing (SVG)",
    begins: (ascii) => /^(\xef\xbb\xbf)?\s*<(svg|\?xml[^>]*\?>[^]*<svg|!DOCTYPE svg)/.test(ascii(0, 1024)),
    advice: "Draw it as a PNG of the size that you want"
  },
  {
    format: "git-lfs",
    title: "placeholder of Git LFS",
    begins: starts("version https://git-lfs"),
    advice: "Fetch the file itself with `git lfs pull`"
  },
  {
    format: "archive",
    title: "archive, or what is compressed as one",
    begins: starts("PK\x03\x04", "\x1f\x8b\x08", "7z\xbc\xaf\x27\x1c", "Rar!\x1a\x07", "\xfd7zXZ\0", "BZh"),
    advice: "Unpack it"
  },
  {
    format: "volume",
    title: "volume of numbers (NIfTI, HDF5, NetCDF, NumPy)",
    endings: ["nii"],
    begins: (ascii) =>
      starts("\x89HDF\r\n\x1a\n", "CDF\x01", "CDF\x02", "\x93NUMPY")(ascii) ||
      /^(n\+1|ni1)\0$/.test(ascii(344, 4)),
    advice: "Write the slice that is to be seen as 8-bit or 16-bit PNG, or as TIFF"
  },
  {
    format: "czi",
    title: "microscope's file (CZI, LIF, ND2)",
    endings: ["czi", "lif", "nd2"],
    begins: starts("ZISRAWFILE", "\x70\0\0\0", "\xda\xce\xbe\x0a"),
    advice: "Export its picture as TIFF"
  },
  { format: "dds", title: "texture (DDS, KTX)", endings: ["dds"], begins: starts("DDS |\0\0\0", "\xabKTX ") },
  {
    format: "pcx",
    title: "PCX",
    endings: ["pcx"],
    begins: (ascii) => fits(ascii, 0, "\x0a", "\0\x02\x03\x04\x05", "\x01", "\x01\x02\x04\x08")
  },
  {
    format: "sgi",
    title: "SGI picture",
    begins: (ascii) => fits(ascii, 0, "\x01", "\xda", "\0\x01", "\x01\x02")
  },
  { format: "ras", title: "Sun raster", endings: ["ras"], begins: starts("\x59\xa6\x6a\x95") },
  {
    format: "xcf",
    title: "GIMP document",
    endings: ["xcf"],
    begins: starts("gimp xcf "),
    advice: "Export it as PNG or TIFF"
  },
  {
    format: "djvu",
    title: "DjVu",
    begins: starts("AT&TFORM"),
    advice: "Make a picture of each page (ddjvu -format=tiff)"
  },
  {
    format: "metafile",
    title: "drawing (EMF, WMF)",
    begins: (ascii) =>
      starts("\xd7\xcd\xc6\x9a")(ascii) || (starts("\x01\0\0\0")(ascii) && ascii(40, 4) === " EMF"),
    advice: "Draw it as a PNG of the size that you want"
  },
  { format: "bpg", title: "BPG or FLIF", endings: ["bpg", "flif"], begins: starts("BPG\xfb", "FLIF") },
  {
    format: "video",
    title: "video",
    begins: (ascii) =>
      starts("\x1aE\xdf\xa3", "OggS", "FLV\x01", "\0\0\x01\xba", "\x8aMNG\r\n")(ascii) ||
      ascii(8, 4) === "AVI " ||
      /^ftyp(isom|mp4|qt  |M4V|avc1|3gp|iso[2-9]|dash)/.test(ascii(4, 8)),
    advice: "Take frames of it (ffmpeg -i in.mp4 frame-%05d.png)"
  },
  {
    format: "tga",
    title: "TGA",
    endings: ["tga"],
    // It has no mark at its beginning: the kind of its colours, its sides and its bits must make sense together.
    begins: (ascii) =>
      fits(ascii, 1, "\0\x01", "\x01\x02\x03\x09\x0a\x0b") &&
      ascii(12, 2) !== "\0\0" &&
      ascii(14, 2) !== "\0\0" &&
      fits(ascii, 16, "\x08\x0f\x10\x18\x20")
  }
]

/** What is said of a file that ends before it says how large its image is. DICOM may begin as a TIFF does. */
export const endsEarly = (source: string, start: Uint8Array): NotAnImage | UnsupportedImage =>
  isDicom(start)
    ? refusal(source, start)
    : new NotAnImage({ source, detail: "it ends before its size is told" })

/** Whether a file says that it is DICOM, whatever it begins with. */
export const isDicom = (start: Uint8Array): boolean =>
  String.fromCharCode(...start.subarray(128, 132)) === "DICM"

/** What is said of a file that is no image read here: another kind, a text, or whatever its first bytes are. */
export const refusal = (source: string, start: Uint8Array): NotAnImage | UnsupportedImage => {
  const ascii: Ascii = (at, length) => String.fromCharCode(...start.subarray(at, at + length))
  const other = all.find(({ begins }) => begins(ascii))
  if (other !== undefined) {
    const { advice = toPng, format, title } = other
    const detail = `it is of a kind (${title}) that is not read here. ${advice}`
    return new UnsupportedImage({ source, format, detail })
  }
  const few = start.subarray(0, 16)
  const isText = few.every((byte) => byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127))
  const hex = Array.from(start.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
  const detail = isText
    ? `it is text, which starts "${new TextDecoder().decode(few).replaceAll(/\s+/g, " ")}"`
    : `its first bytes (${hex}) are those of no image type known here`
  return new NotAnImage({ source, detail })
}

const endings: ReadonlySet<string> = new Set(all.flatMap((one) => one.endings ?? []))

/** Whether a file is a picture of such a kind by its name. */
export const isNamed = (path: string): boolean =>
  endings.has(/\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "")
