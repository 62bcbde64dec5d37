/** The files of the sets that do not come out as Pillow has them, each with its reason. The table of the guide has the same reasons. */

export type Outcome = "refused" | "differs" | "read"

export interface Difference {
  /** `refused` here, though Pillow reads it; `differs`; or `read` here, though Pillow refuses it. */
  readonly outcome: Outcome
  readonly files: RegExp
  readonly reason: string
}

export const differences: ReadonlyArray<Difference> = [
  {
    outcome: "refused",
    files: /\.(ico|psd|jp2)$/,
    reason: "icons, Photoshop documents and JPEG 2000 are told by name"
  },
  {
    outcome: "refused",
    files: /\/(badrle|rletopdown|pal[48]rle(trns)?|hopper_rle8\w*)\.bmp$/,
    reason: "bitmaps that are run-length coded are told by name"
  },
  {
    outcome: "refused",
    files: /\/clipboard\.dib$/,
    reason: "a bitmap without its file's header is told by name"
  },
  {
    outcome: "refused",
    files: /\/(12bit\.cropped|hopper_lzma|tiff_tiled_planar_\w+|ojpeg_\w+|old-style-jpeg[\w-]*)\.tiff?$/,
    reason: "TIFFs of 12 bits, LZMA, old-style JPEG and tiles in planes are told by name"
  },
  {
    outcome: "refused",
    files: /\/(hopper\.Lab|lab(-green|-red)?)\.tif$/,
    reason: "TIFFs of L*a*b* are told by name"
  },
  {
    outcome: "refused",
    files: /\/(16bit\.s\.tif|10ct_32bit_128\.tiff)$/,
    reason: "signed numbers and floats need a stretch"
  },
  {
    outcome: "refused",
    files: /\/(badcrc|huge_IDAT)\.png$/,
    reason: "a check sum is wrong, or a chunk longer than its file: libpng refuses it"
  },
  {
    outcome: "refused",
    files: /\/no_palette\.gif$/,
    reason: "a GIF does not say which colours it has: Pillow takes them for grey, libvips for black"
  },
  {
    outcome: "refused",
    files: /\/crash-(0da013a13571|74d2a78403a5)\w*\.tif$/,
    reason: "TIFFs that were broken on purpose: libtiff refuses the strip, or two widths are told"
  },
  {
    outcome: "differs",
    files: /\/(pngtest|exif_imagemagick_orientation|xmp_tags_orientation\w*)\.png$/,
    reason:
      "orientation in a PNG behind its pixels, in XMP or in a text of ImageMagick is not looked at, as libvips has it"
  },
  {
    outcome: "differs",
    files: /\/(pil_sample_cmyk\.jpg|tiff_(strip|tiled)_cmyk_\w+\.tif)$/,
    reason: "CMYK is converted by a profile, which Pillow does only when it is asked to"
  },
  {
    outcome: "differs",
    files: /\/tiff_(strip_planar_)?16bit_RGBa\.tiff$/,
    reason:
      "colours multiplied with their alpha are divided by it in 16 bits, and in 8 by Pillow: nearly transparent pixels differ"
  },
  {
    outcome: "differs",
    files: /\/(dispose_\w+|first_frame_transparency|transparent|info|warning)\.gif$/,
    reason: "pixels of a GIF that nobody sees are black here, and of the palette in Pillow"
  },
  {
    outcome: "read",
    files:
      /\/(badpalettesize|rgb32bf|pal2|pal8os2v2-16|pal8oversizepal|rgb16-231|rgb32-111110|rgba16-4444|rgba32abf)\.bmp$/,
    reason: "bitmaps of masks and palettes that Pillow does not know"
  },
  {
    outcome: "read",
    files: /\/(empty_ancillary_chunks|png_decompression_dos|chunk_no_fctl)\.png$/,
    reason: "what is wrong is beside the pixels: a text, a profile, an animation"
  },
  {
    outcome: "read",
    files: /\/(hopper_webp|minisblack-2c-8b-alpha)\.tiff?$/,
    reason: "TIFFs of WebP, and of grey multiplied with alpha"
  }
]

/** Why a file may come out so. */
export const reasonOf = (name: string, outcome: Outcome): string | undefined =>
  differences.find((one) => one.outcome === outcome && one.files.test(name))?.reason
