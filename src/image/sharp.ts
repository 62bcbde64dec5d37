export * as SharpCodec from "./SharpCodec.ts"
