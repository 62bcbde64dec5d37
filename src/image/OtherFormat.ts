/**
 * Kinds of files that people take for images and that are not read here: known by their first bytes, so that an error
 * says what a file is and what to do, and by their endings where a folder of them would be passed over without a word.
 */
import type { Ascii } from "./HeaderFound.ts"

export interface OtherFormat {
  /** As `UnsupportedImage.format` has it. */
  readonly format: string
  readonly title: string
  /** Of files that hold a picture as a photo does; empty where folders hold them for other reasons. */
  readonly endings: ReadonlyArray<string>
  readonly begins: (ascii: Ascii) => boolean
  /** What to do. */
  readonly advice: string
}

const starts =
  (...texts: ReadonlyArray<string>) =>
  (ascii: Ascii): boolean =>
    texts.some((text) => ascii(0, text.length) === text)

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
    begins: (ascii) => ascii(128, 4) === "DICM",
    advice: "Export its picture as 8-bit or 16-bit PNG, with the window that shows what is to be found"
  },
  {
    format: "jxr",
    title: "JPEG XR",
    endings: ["jxr", "wdp", "hdp"],
    begins: starts("II\xbc\x01"),
    advice: toPng
  },
  { format: "exr", title: "OpenEXR", endings: ["exr"], begins: starts("v/1\x01"), advice: toPng },
  {
    format: "hdr",
    title: "Radiance HDR",
    // Those of ENVI are text.
    endings: [],
    begins: starts("#?RADIANCE", "#?RGBE"),
    advice: toPng
  },
  {
    format: "netpbm",
    title: "Netpbm (PBM, PGM, PPM, PAM)",
    endings: ["pbm", "pgm", "ppm", "pnm", "pam", "pfm"],
    begins: (ascii) => /^P[1-7fF][\s#]/.test(ascii(0, 3)),
    advice: toPng
  },
  { format: "qoi", title: "QOI", endings: ["qoi"], begins: starts("qoif"), advice: toPng },
  {
    format: "fits",
    title: "FITS",
    endings: ["fits", "fit", "fts"],
    begins: starts("SIMPLE  ="),
    advice: toPng
  },
  {
    format: "raw",
    title: "camera's raw file",
    endings: [],
    begins: (ascii) =>
      starts("FUJIFILMCCD-RAW", "IIRO", "IIRS", "IIU\0", "MMOR", "FOVb")(ascii) || ascii(4, 8) === "ftypcrx ",
    advice: develop
  },
  {
    format: "ico",
    title: "icon (ICO)",
    endings: [],
    begins: starts("\0\0\x01\0", "\0\0\x02\0"),
    advice: toPng
  },
  {
    format: "dib",
    title: "bitmap without its file's header, as a clipboard has it",
    endings: [],
    begins: (ascii) => starts("\x28\0\0\0")(ascii) && ascii(12, 2) === "\x01\0",
    advice: toPng
  },
  { format: "icns", title: "icon (ICNS)", endings: [], begins: starts("icns"), advice: toPng },
  {
    format: "pdf",
    title: "PDF",
    endings: [],
    begins: starts("%PDF-"),
    advice: "Make a picture of each page (pdftoppm -png -r 200 in.pdf page)"
  },
  {
    format: "postscript",
    title: "PostScript",
    endings: [],
    begins: starts("%!PS", "\xc5\xd0\xd3\xc6"),
    advice: toPng
  },
  {
    format: "svg",
    title: "drawing (SVG)",
    endings: [],
    begins: (ascii) => /^(\xef\xbb\xbf)?\s*<(svg|\?xml[^>]*\?>[^]*<svg|!DOCTYPE svg)/.test(ascii(0, 1024)),
    advice: "Draw it as a PNG of the size that you want"
  },
  {
    format: "video",
    title: "video",
    endings: [],
    begins: (ascii) =>
      starts("\x1aE\xdf\xa3", "OggS")(ascii) ||
      ascii(8, 4) === "AVI " ||
      /^ftyp(isom|mp4|qt  |M4V|avc1|3gp|iso[2-9]|dash)/.test(ascii(4, 8)),
    advice: "Take frames of it (ffmpeg -i in.mp4 frame-%05d.png)"
  }
]

/** What a file is that begins so, if it is one of these. */
export const of = (bytes: Uint8Array): OtherFormat | undefined => {
  const ascii: Ascii = (at, length) => String.fromCharCode(...bytes.subarray(at, at + length))
  return all.find(({ begins }) => begins(ascii))
}

const endings: ReadonlySet<string> = new Set(all.flatMap((one) => one.endings))

/** Whether a file is a picture of such a kind by its name. */
export const isNamed = (path: string): boolean =>
  endings.has(/\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "")
