/** Draws one picture, off the page's thread, and says what came of it. */
import { type Drawing, make } from "./Drawing.ts"

addEventListener("message", ({ data }: MessageEvent<Drawing>) => {
  make(data).then(
    (blob) => postMessage(blob),
    (error: unknown) => postMessage(error instanceof Error ? error.message : String(error))
  )
})
