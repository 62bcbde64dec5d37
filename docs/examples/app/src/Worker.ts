/** `node src/Worker.ts`: inspects what is put into the folder INBOX. */
import { NodeRuntime } from "@effect/platform-node"
import { Config, Effect, Schedule } from "effect"
import { sweep } from "./Inbox.ts"
import * as Main from "./Main.ts"

Effect.flatMap(Config.String("INBOX"), (inbox) =>
  Effect.repeat(sweep(inbox), Schedule.spaced("1 second"))
).pipe(Effect.provide(Main.layer), NodeRuntime.runMain)
