/**
 * Writes a sheet of pictures as PDF: a seam, so that who wants no PDF needs no library for it. `PdfLib.layer` of
 * `effect-segformer/pdf` fills it; without, a PDF that is asked for is `DependencyMissing`.
 */
import { Context, Effect } from "effect"
import { DependencyMissing } from "../image/ImageError.ts"

/** A picture and its place on the page, in points of 1/72 inch from the page's top left corner. */
export interface PlacedPicture {
  /** The bytes of a JPEG file. */
  readonly jpeg: Uint8Array
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** One page, in points of 1/72 inch. */
export interface PdfPage {
  readonly width: number
  readonly height: number
  readonly pictures: ReadonlyArray<PlacedPicture>
}

/** The bytes of a PDF file of one page. */
export type WritePdf = (page: PdfPage) => Effect.Effect<Uint8Array, DependencyMissing>

/** What a PDF needs. @internal */
export const missing = (detail: string): DependencyMissing =>
  new DependencyMissing({ packages: ["@cantoo/pdf-lib"], purpose: "Writing a sheet as PDF", detail })

/** Who writes the PDF. */
export const SheetPdf = Context.Reference<WritePdf>("effect-segformer/companions/SheetPdf", {
  defaultValue: () => () => Effect.fail(missing("and PdfLib.layer of effect-segformer/pdf is not provided"))
})
