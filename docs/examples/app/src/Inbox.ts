/** A folder whose panels are inspected, a report beside each. */
import { Effect, FileSystem } from "effect"
import { Inspector } from "./Inspector.ts"

/** One look at it: panels without a report, two at a time. What fails is tried again at the next look. */
export const sweep = Effect.fn("Inbox.sweep")(function* (inbox: string) {
  const fs = yield* FileSystem.FileSystem
  const { inspect } = yield* Inspector
  const names = yield* fs.readDirectory(inbox)
  const open = names.filter((name) => /\.(png|jpe?g)$/i.test(name) && !names.includes(`${name}.json`))
  const report = Effect.fnUntraced(function* (name: string) {
    const found = yield* inspect(name, yield* fs.readFile(`${inbox}/${name}`))
    yield* fs.writeFileString(`${inbox}/${name}.json`, JSON.stringify(found))
  })
  return yield* Effect.forEach(open, (name) => Effect.result(report(name)), { concurrency: 2 })
})
