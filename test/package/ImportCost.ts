/** What importing the main entry costs beyond importing Effect, in processes of their own. */
import { type Consumer, expect } from "./Consumer.ts"

const runs = 7

/** In milliseconds, beyond Effect's own. */
const limit = 30

export const check = (consumer: Consumer): void => {
  consumer.write(
    "cost.js",
    `await import("effect")
const started = performance.now()
await import("effect-segformer")
console.log(performance.now() - started)
`
  )
  // The quickest of several: what else the machine does only adds.
  const quickest = Math.min(...Array.from({ length: runs }, () => Number(consumer.node("cost.js"))))
  expect(`the main entry is imported in ${quickest.toFixed(1)} ms beyond Effect`, quickest <= limit)
}
