#!/usr/bin/env node
/** Starts the command, in a process that suits it. */
import { restarted } from "./LeanProcess.ts"

if (!restarted()) (await import("./Process.ts")).run()
