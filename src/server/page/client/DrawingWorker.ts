/** Draws one picture, off the page's thread, and says what came of it. */
import { type Drawing, make } from "./Drawing.ts"
import { messageOf } from "./Text.ts"

addEventListener("message", ({ data }: MessageEvent<Drawing>) => {
  make(data).then(
    (blob) => postMessage(blob),
    (error: unknown) => postMessage(messageOf(error))
  )
})
