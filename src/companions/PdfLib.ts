/**
 * `SheetPdf` by `@cantoo/pdf-lib`, an optional peer dependency that is loaded when the first PDF is asked for.
 */
import { Effect, Layer } from "effect"
import { missing, SheetPdf, type PdfPage, type WritePdf } from "./SheetPdf.ts"
import { firstLineOf } from "../SystemError.ts"

type PdfModule = Pick<typeof import("@cantoo/pdf-lib"), "PDFDocument">

const write = async ({ PDFDocument }: PdfModule, page: PdfPage): Promise<Uint8Array> => {
  // Without dates: the same pictures give the same file.
  const document = await PDFDocument.create({ updateMetadata: false })
  const sheet = document.addPage([page.width, page.height])
  for (const { height, jpeg, width, x, y } of page.pictures) {
    // PDF counts from the bottom.
    sheet.drawImage(await document.embedJpg(jpeg), { x, y: page.height - y - height, width, height })
  }
  return await document.save({ objectsPerTick: 20 })
}

/** How the library is loaded: a parameter, so that a test can take it away. @internal */
export const make = (load: () => Promise<PdfModule>): Effect.Effect<WritePdf> =>
  Effect.map(
    Effect.cached(Effect.tryPromise({ try: load, catch: (cause) => missing(firstLineOf(cause)) })),
    (loaded) => (page) => Effect.flatMap(loaded, (library) => Effect.promise(() => write(library, page)))
  )

/** Sheets as PDF, with the library as it is installed. */
export const layer: Layer.Layer<never> = Layer.effect(
  SheetPdf,
  make(() => import("@cantoo/pdf-lib"))
)
