/**
 * `npm run test:peers [-- NAME…]`: what others wrote, row by row, beside ours. It ends with 1 where a row does not hold, and
 * where a package or a program cannot be had, unless `--allow-missing` is given. `--environments` only makes what it
 * needs, and `--programs` only lists the packages of Debian that are not there yet.
 */
import { availableParallelism } from "node:os"
import { existsSync } from "node:fs"
import { Effect } from "effect"
import * as Python from "../support/Python.ts"
import * as Table from "../support/Table.ts"
import type { Outcome, Peer } from "./Peer.ts"
import * as Report from "./Report.ts"
import { absent, rows } from "./rows.ts"

const flags = process.argv.slice(2).filter((arg) => arg.startsWith("--"))
const names = process.argv.slice(2).filter((arg) => !arg.startsWith("--"))
const unknown = [
  ...flags.filter((flag) => !["--allow-missing", "--environments", "--programs"].includes(flag)),
  ...names.filter((name) => rows.every((row) => row.name !== name))
]
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(", ")}. Peers: ${rows.map(({ name }) => name).join(", ")}`)
  process.exit(2)
}
const wanted = rows.filter(({ name }) => names.length === 0 || names.includes(name))

const isThere = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(`${folder}/${program}`))

if (flags.includes("--programs")) {
  const programs = wanted.flatMap((peer) => Object.entries(peer.programs))
  const packages = programs.filter(([program]) => !isThere(program)).map(([, from]) => from)
  console.log([...new Set(packages)].join(" "))
  process.exit(0)
}

/** What keeps a peer from being tried: a program or a package that is not to be had. */
const lacking = (peer: Peer): string => {
  for (const [program, from] of Object.entries(peer.programs)) {
    if (!isThere(program)) return `There is no ${program}: apt-get install ${from}`
  }
  try {
    for (const list of peer.environments) Python.environment(list)
    peer.prepare?.()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return ""
}

const missing = new Map(wanted.map((peer) => [peer.name, lacking(peer)]))
const there = wanted.filter(({ name }) => missing.get(name) === "")
if (flags.includes("--environments")) {
  for (const [name, lack] of missing) if (lack !== "") console.error(`${name}: ${lack}`)
  process.exit(there.length === wanted.length ? 0 : 1)
}

const started = performance.now()
const date = new Date().toISOString().slice(0, 10)

interface Ran {
  readonly outcomes: ReadonlyArray<Outcome>
  readonly seconds: number
}

const ran = await Effect.runPromise(
  Effect.forEach(
    there,
    (peer) =>
      Effect.gen(function* () {
        const begun = performance.now()
        const outcomes = yield* peer.run
        const seconds = (performance.now() - begun) / 1000
        console.error(`${peer.name}: ${seconds.toFixed(0)} s`)
        return [peer.name, { outcomes, seconds }] as const
      }),
    // Most of a peer's time is its start, which is one core's.
    { concurrency: Math.max(2, availableParallelism()) }
  ).pipe(Effect.map((all) => new Map<string, Ran>(all)))
)

Report.keep(
  Object.fromEntries(
    there.map(({ kind, name, packages, standsFor }) => [
      name,
      { kind, packages, standsFor, outcomes: ran.get(name)?.outcomes ?? [], date }
    ])
  )
)

const table = Table.make([
  ["peer", 26, "words"],
  ["kind", 8, "words"],
  ["package", 44, "words"],
  ["tried", 5],
  ["held", 5],
  ["s", 5]
])
console.log(table.header)
const lines = wanted.map((peer) => {
  const { outcomes, seconds } = ran.get(peer.name) ?? { outcomes: [], seconds: 0 }
  const failed = outcomes.filter(({ wrong }) => wrong !== "")
  const lack = missing.get(peer.name) ?? ""
  const wrong = lack === "" ? failed.map(({ tried }) => tried).join("; ") : lack
  const [first] = peer.packages
  const of = first === undefined ? "" : `${first.name} ${first.version} (${first.from})`
  const cells = [
    peer.name,
    peer.kind,
    of,
    outcomes.length,
    outcomes.length - failed.length,
    seconds.toFixed(0)
  ]
  const left = lack !== "" && flags.includes("--allow-missing")
  const line = table.line(cells.map(String), wrong)
  console.log(left ? line.replace("DOES NOT HOLD", "LEFT OUT") : line)
  for (const { tried, wrong } of outcomes)
    console.log(wrong === "" ? `    + ${tried}` : `    - ${tried}: ${wrong}`)
  return { wrong: left ? "" : wrong }
})
for (const { because, instead, name } of absent)
  console.log(`${name} cannot be had: ${because}. In its place: ${instead}`)
Table.end(lines, started)
