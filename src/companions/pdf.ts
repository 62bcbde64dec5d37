export * as PdfLib from "./PdfLib.ts"
