/**
 * AWS Lambda behind a function URL. The model in WebAssembly and what it stands on fit the 250 MB of a function. With the invoke
 * mode `RESPONSE_STREAM` the answer goes out as it is made, else at once.
 */
import { Lambda } from "effect-segformer/server"
import { handler as web } from "./segmenter.ts"

declare global {
  var awslambda: Lambda.Streaming | undefined
}

export const handler: unknown =
  globalThis.awslambda === undefined ? Lambda.buffered(web) : Lambda.streaming(web, globalThis.awslambda)
