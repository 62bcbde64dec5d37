/**
 * What nearly every program names. In a module of its own for esbuild: whoever takes a name of a module that hands on those of
 * others loads at once what all of these share with code that is loaded later.
 */
export * as ImageSource from "./image/ImageSource.ts"
export * as Policy from "./policy/Policy.ts"
export { segment, segmentAll, withSegmentOptions } from "./Segmenter.ts"
export { Transport } from "./Transport.ts"
