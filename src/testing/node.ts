export * as FaultyService from "./FaultyService.ts"
