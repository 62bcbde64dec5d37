/** `node src/Script.ts FILE…`: a line for each panel; exits with 1 where one cannot be inspected. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem } from "effect"
import { Inspector } from "./Inspector.ts"
import * as Main from "./Main.ts"

const look = Effect.fn("Script.look")(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const { inspect } = yield* Inspector
  const { damaged, defects, name } = yield* inspect(file, yield* fs.readFile(file))
  yield* Console.log(`${name}: ${(100 * damaged).toFixed(1)} % damaged, ${defects.length} defects`)
})

Effect.forEach(process.argv.slice(2), look).pipe(
  Effect.provide(Main.layer),
  Effect.tapError(({ message }) => Console.error(message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
