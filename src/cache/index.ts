/** Results kept for images that come again: a transport before another, over a store in memory or one that lasts. */
export * as PredictionCache from "./PredictionCache.ts"
export * as PredictionStore from "./PredictionStore.ts"
