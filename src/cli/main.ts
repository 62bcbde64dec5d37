#!/usr/bin/env node
/** The process around the command: signals, exit codes, and pipes whose reader is gone. */
import "./LeanProcess.ts"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import * as ExitCode from "./ExitCode.ts"
import { program } from "./Program.ts"

// `segformer … | head`: whoever read has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0)
  throw error
})

let interrupts = 0
process.on("SIGTERM", () => {
  ExitCode.stop.terminated = true
})
process.on("SIGINT", () => {
  // The first one lets work end in order; who asks again does not want to wait for that.
  if (++interrupts > 1) process.exit(ExitCode.interrupted)
})

NodeRuntime.runMain(Effect.provide(program, NodeServices.layer), {
  disableErrorReporting: true,
  teardown: (exit, onExit) => onExit(ExitCode.of(exit))
})
