/** The process around the command: signals, exit codes, and pipes whose reader is gone. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import * as ExitCode from "./ExitCode.ts"
import { program } from "./Program.ts"

/** Runs the command line of this process, and ends it with its exit code. */
export const run = (): void => {
  let interrupts = 0
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (ExitCode.stop.unread) return
    ExitCode.stop.unread = true
    // `segformer … | head`: whoever read has seen enough. A full disk is worth a line.
    if (error.code !== "EPIPE")
      process.stderr.write(`segformer: cannot write to standard output: ${error.message}\n`)
    // As Ctrl-C does: what is under way leaves nothing half done.
    process.kill(process.pid, "SIGINT")
  })
  process.on("SIGTERM", () => {
    ExitCode.stop.terminated = true
  })
  // The terminal is gone, or the machine's owner is: what is under way ends in order all the same.
  process.on("SIGHUP", () => void process.kill(process.pid, "SIGTERM"))
  process.on("SIGINT", () => {
    // The first one lets work end in order; who asks again does not want to wait for that.
    if (++interrupts > 1) process.exit(ExitCode.interrupted)
  })
  NodeRuntime.runMain(Effect.provide(program, NodeServices.layer), {
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(ExitCode.of(exit))
  })
}
