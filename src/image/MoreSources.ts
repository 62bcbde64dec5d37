/** Sources that a page seldom has: files, addresses, streams, pixels, views. Loaded as one when the first is opened. */
export * as FileSource from "./FileSource.ts"
export * as RasterImage from "./RasterImage.ts"
export * as StreamSource from "./StreamSource.ts"
export * as UrlSource from "./UrlSource.ts"
export * as ViewSource from "./ViewSource.ts"
