/**
 * Known weaknesses of what this package brings along, by `npm audit` where the registry answers it. It ends with 1 where
 * there is one of moderate weight or more, and says so where the registry gives no answer: some are only mirrors.
 */
import { spawnSync } from "node:child_process"

const { error, stdout } = spawnSync("npm", ["audit", "--omit=dev", "--audit-level=moderate", "--json"], {
  encoding: "utf8",
  timeout: 60_000
})

const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const report = parse(stdout)
const counts = fieldOf(fieldOf(report, "metadata"), "vulnerabilities")

if (typeof counts !== "object" || counts === null) {
  const status = fieldOf(report, "statusCode")
  const why = error?.message ?? (status === undefined ? "no report" : `status ${String(status)}`)
  console.log(`npm audit: the registry does not answer (${why}), so nothing is known`)
} else {
  const found = ["moderate", "high", "critical"].map((level) => [level, fieldOf(counts, level)] as const)
  const isClean = found.every(([, count]) => count === 0)
  console.log(`npm audit: ${found.map(([level, count]) => `${String(count)} ${level}`).join(", ")}`)
  if (!isClean) {
    console.log(JSON.stringify(fieldOf(report, "vulnerabilities"), undefined, 2))
    process.exitCode = 1
  }
}
