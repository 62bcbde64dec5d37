/** What importing the main entry loads beside Effect: modules are counted, since a time is the machine's. */
import { type Consumer, expect } from "./Consumer.ts"

/** Each is read, compiled and run before a program begins: more of them want a reason. */
const limit = 75

export const check = (consumer: Consumer): void => {
  consumer.write(
    "cost.js",
    `import { registerHooks } from "node:module"
const loaded = new Set()
registerHooks({ load: (url, context, next) => (loaded.add(url), next(url, context)) })
await import("effect-segformer")
console.log(JSON.stringify([...loaded]))
`
  )
  const loaded: ReadonlyArray<string> = JSON.parse(consumer.node("cost.js"))
  const own = loaded.filter((url) => url.includes("/effect-segformer/"))
  const others = loaded.filter((url) => !url.includes("/effect-segformer/") && !url.includes("/effect/dist/"))
  expect(
    `the main entry loads ${own.length} modules of its own, and beside them Effect's alone${others.map((url) => `\n     ${url}`).join("")}`,
    own.length > 0 && own.length <= limit && others.length === 0
  )
}
