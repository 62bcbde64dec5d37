export * as NodeAddressGuard from "./NodeAddressGuard.ts"
