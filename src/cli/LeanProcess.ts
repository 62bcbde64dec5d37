/**
 * A process that gives memory back, for commands whose memory is counted: started first, it starts this one over.
 *
 * glibc keeps an arena for each thread and hands little of what was freed back to the system, and V8's young generation
 * grows by what has survived it: with a picture of 30,000 x 30,000 pixels, or two folders of 100,000 names, that is a
 * hundred MiB of nothing. Both are told so only as a process starts. What the user has set has the last word.
 */
const settings = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_TRIM_THRESHOLD_: "1048576",
  MALLOC_MMAP_THRESHOLD_: "524288"
}

/** The commands whose memory is counted. */
const commands: ReadonlySet<string | undefined> = new Set(["tile", "eval"])

/** What Node is told for a command. */
export const flagsOf = (command: string | undefined): ReadonlyArray<string> =>
  commands.has(command) ? ["--max-semi-space-size=2"] : []

/** Starts this process over where that is called for; returns only where it did not. */
export const restarted = (): boolean => {
  const { argv, env, execArgv, execPath, platform, send } = process
  const isAsked = commands.has(argv[2]) && platform === "linux" && env["MALLOC_ARENA_MAX"] === undefined
  // Who has forked it speaks to this process, and not to one after it.
  if (!isAsked || send !== undefined) return false
  const isSet = /semi[-_]space/.test([...execArgv, env["NODE_OPTIONS"]].join(" "))
  const flags = isSet ? [] : flagsOf(argv[2])
  try {
    // The same process, its terminal, its place among others: nobody who waits for it notices.
    process.execve?.(execPath, [execPath, ...execArgv, ...flags, ...argv.slice(1)], { ...settings, ...env })
  } catch {
    // It may not (`node --permission`): more memory is all that it costs.
  }
  return false
}
