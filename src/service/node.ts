export * as NodeAddressGuard from "./NodeAddressGuard.ts"
export * as NodeHttp from "./NodeHttp.ts"
