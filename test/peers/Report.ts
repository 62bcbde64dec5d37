/** What runs of `npm run test:peers` found, kept row by row in `coverage/peers.json`, and the table that `docs/proof.md` is made of it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Absent, Kind, Outcome, Package, Peer } from "./Peer.ts"

export const root = fileURLToPath(new URL("../../", import.meta.url))
export const path = join(root, "coverage/peers.json")
export const page = join(root, "docs/proof.md")

export interface Result {
  readonly kind: Kind
  readonly packages: ReadonlyArray<Package>
  readonly standsFor?: string | undefined
  readonly outcomes: ReadonlyArray<Outcome>
  /** The day, as YYYY-MM-DD. */
  readonly date: string
}

export type Results = Readonly<Record<string, Result>>

export const read = (): Results => (existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {})

/** Keeps what a run found; rows that it did not run stay as they were. */
export const keep = (found: Results): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify({ ...read(), ...found }, undefined, 2)}\n`)
}

/** What a row says without a run: all but how a package of Debian is versioned, and the day. */
export const versions = (packages: ReadonlyArray<Package>): string =>
  packages.map(({ from, name, version }) => `${name} ${version} (${from})`).join(", ")

const heading: Readonly<Record<Kind, string>> = {
  server: "Servers of others, our clients",
  client: "Clients of others, our server",
  "in front": "In front of others",
  tool: "Tools of others, our files",
  maker: "Models as their makers run them, ours beside"
}

const line = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;")

const triedOf = ({ standsFor, tried }: Peer): string =>
  cell(tried.join("; ")) + (standsFor === undefined ? "" : `. Stands for ${cell(standsFor)}`)

/** The rows that a page has, by their peers. */
const linesOf = (text: string): ReadonlyMap<string, string> =>
  new Map(Array.from(text.matchAll(/^\| ([^|]+) \|.*$/gm), ([whole, name = ""]) => [name, whole]))

/** The tables of the page, with the line that it has of a peer that was not run here since; of every peer in the order of the rows. Throws where one was not run, or has changed since. */
export const markdown = (
  rows: ReadonlyArray<Peer>,
  absent: ReadonlyArray<Absent>,
  results: Results
): string => {
  const kept = linesOf(existsSync(page) ? readFileSync(page, "utf8") : "")
  const sections = Object.entries(heading).flatMap(([kind, title]) => {
    const lines = rows
      .filter((row) => row.kind === kind)
      .map((row) => {
        const found = results[row.name]
        const before = kept.get(row.name)
        if (found === undefined && before?.includes(triedOf(row)) === true) return before
        const tried = found?.outcomes.map((outcome) => outcome.tried) ?? []
        if (found === undefined || tried.join() !== row.tried.join())
          throw new Error(`${row.name} was not run as it is now: npm run test:peers -- ${row.name}`)
        const held = found.outcomes.filter(({ wrong }) => wrong === "").length
        const all = found.outcomes.length
        return line([
          row.name,
          versions(found.packages),
          triedOf(row),
          held === all ? `yes, ${all} of ${all}` : `no, ${held} of ${all}`,
          found.date
        ])
      })
    if (lines.length === 0) return []
    return [
      `## ${title}`,
      "",
      line(["peer", "packages", "what is tried", "held", "on"]),
      line(["---", "---", "---", "---", "---"]),
      ...lines,
      ""
    ].join("\n")
  })
  const missing = [
    "## What cannot be had",
    "",
    line(["package", "why", "in its place"]),
    line(["---", "---", "---"]),
    ...absent.map(({ because, instead, name }) => line([name, cell(because), cell(instead)])),
    ""
  ].join("\n")
  return [...sections, missing].join("\n")
}

const begin = "<!-- made by npm run proof -->\n"

/** The page with these tables in the place of what it has. */
export const write = (tables: string): void => {
  const [prose = ""] = readFileSync(page, "utf8").split(begin)
  writeFileSync(page, `${prose}${begin}\n${tables}`)
}
