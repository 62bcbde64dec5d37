export * as Decode from "./Decode.ts"
export * as Exchange from "./Exchange.ts"
export * from "./ServiceError.ts"
