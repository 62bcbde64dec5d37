#!/usr/bin/env node
/** Starts the command, in a process that suits it. Who only asks about it has a ready answer before anything is loaded. */
import { stripVTControlCharacters } from "node:util"
import { restarted } from "./LeanProcess.ts"

const long: Readonly<Record<string, string>> = { "-h": "--help", "-v": "--version" }
const words = process.argv.slice(2).map((word) => long[word] ?? word)
const isQuestion = words.some((word) => /^--(help|version|completions)$/.test(word))
const answer = isQuestion ? (await import("./Answers.ts")).answers[JSON.stringify(words)] : undefined

/** As `effect/cli` decides it. */
const hasColors = (): boolean => {
  const { FORCE_COLOR: force = "", NO_COLOR: none = "", TERM: term } = process.env
  const isForced = !["", "0", "false"].includes(force.toLowerCase())
  return term !== "dumb" && none === "" && (isForced || process.stdout.isTTY)
}

const isTooOld = (): boolean => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  return major < 22 || (major === 22 && minor < 19)
}

if (answer !== undefined) {
  // `segformer --help | head -1`: who reads has seen enough. A full disk is worth a line.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE")
      process.stderr.write(`segformer: cannot write to standard output: ${error.message}\n`)
    process.exit(141)
  })
  process.stdout.write(hasColors() ? answer : stripVTControlCharacters(answer))
} else if (isTooOld()) {
  // It would fail in the middle of some work.
  process.stderr.write(
    `segformer: this is Node ${process.versions.node}, and segformer needs 22.19 or later: install a newer one\n`
  )
  process.exitCode = 3
} else if (!restarted()) {
  // The rest takes a moment to load, and Node would end without a word.
  const stopEarly = () => {
    process.stderr.write("segformer: stopped before it began\n")
    process.exit(130)
  }
  process.once("SIGINT", stopEarly)
  const { run } = await import("./Process.ts")
  run()
  process.removeListener("SIGINT", stopEarly)
}
