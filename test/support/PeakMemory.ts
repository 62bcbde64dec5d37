/** The most memory that a process had. */
import { readFileSync } from "node:fs"

/**
 * Resident bytes of this process at most. Of what `process.resourceUsage` tells, Linux counts what its parent had when it
 * started it.
 */
export const peakMemory = (): number =>
  process.platform === "linux"
    ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024
    : process.resourceUsage().maxRSS * 1024
