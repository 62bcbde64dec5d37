/**
 * Coverage by Istanbul, as `@vitest/coverage-istanbul` has it, but for how it comes from a worker, which keeps its process
 * for all of its files: as one file of what it has counted so far. The package writes one for each test file, of some
 * megabytes, and reads and merges them all at the end.
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { threadId } from "node:worker_threads"
import type { CoverageProviderModule } from "vitest/node"

/** What a source counts, by numbers of statements, functions and branches, and where those are. */
interface Counted extends Readonly<Record<string, unknown>> {
  readonly s: unknown
  readonly f: unknown
  readonly b: unknown
}

declare global {
  var __VITEST_COVERAGE__: Readonly<Record<string, Counted>> | undefined
}

/** JSON of where statements, functions and branches of a source are, which stays as it is: by its path, open at the end. */
const places = new Map<string, string>()

const json = ([path, { b, f, s, ...rest }]: [string, Counted]): string => {
  const place = places.get(path) ?? JSON.stringify(rest).slice(0, -1)
  places.set(path, place)
  return `${JSON.stringify(path)}:${place},"s":${JSON.stringify(s)},"f":${JSON.stringify(f)},"b":${JSON.stringify(b)}}`
}

const coverage: CoverageProviderModule = {
  takeCoverage: async (options) => {
    const counted = globalThis.__VITEST_COVERAGE__
    if (counted === undefined || options === undefined) return undefined
    const file = join(options.coverageFilesDirectory, `${process.pid}-${threadId}.json`)
    await writeFile(file, `{${Object.entries(counted).map(json).join(",")}}`)
    return file
  },
  getProvider: async () => {
    const { default: istanbul } = await import("@vitest/coverage-istanbul")
    const provider = await istanbul.getProvider()
    const taken = provider.onAfterSuiteRun.bind(provider)
    // By the name of the worker's file, and not by those of the test files: it is read once.
    provider.onAfterSuiteRun = (meta) => taken({ ...meta, testFiles: [String(meta.coverage)] })
    return provider
  }
}
export default coverage
