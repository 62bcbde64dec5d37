export * from "./ImageCodec.ts"
export * from "./ImageError.ts"
export * as ImageHeader from "./ImageHeader.ts"
export * as ImageSource from "./ImageSource.ts"
