/**
 * A row of the table of `npm run test:peers`: a package that others wrote, in a version that is pinned, and what is tried
 * with it. A module in `servers/`, `clients/` or `tools/` makes one, and `rows.ts` lists it.
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Cause, Effect, Exit, References, type Scope } from "effect"
import { hangs } from "../support/Eventually.ts"

/** Where in the picture a peer stands. */
export type Kind = "server" | "client" | "tool" | "in front" | "maker"

export interface Package {
  readonly from: "PyPI" | "npm" | "Debian"
  readonly name: string
  /** Empty where a package of Debian is not installed. */
  readonly version: string
}

export interface Outcome {
  readonly tried: string
  /** What does not hold; empty where all does. */
  readonly wrong: string
}

export interface Peer {
  /** Of its own in the table, and what `npm run test:peers -- NAME` takes. */
  readonly name: string
  readonly kind: Kind
  /** The first is the one that the row is about. */
  readonly packages: ReadonlyArray<Package>
  /** Lists of `test/python/` whose environments it needs. */
  readonly environments: ReadonlyArray<string>
  /** Makes what takes longer than a start, once: it is kept with the environments. Throws where it cannot be made. */
  readonly prepare?: (() => void) | undefined
  /** Programs that it runs, each by the package of Debian that brings it. */
  readonly programs: Readonly<Record<string, string>>
  /** What cannot be had, for which this stands in, and why. */
  readonly standsFor?: string | undefined
  readonly tried: ReadonlyArray<string>
  /** Starts it and tries everything. Never fails: what goes wrong is said of what was tried. */
  readonly run: Effect.Effect<ReadonlyArray<Outcome>>
}

/** A package that cannot be had here, named with its reason. */
export interface Absent {
  readonly name: string
  readonly because: string
  /** What is tried in its place. */
  readonly instead: string
}

export interface PeerOptions<A> extends Omit<Peer, "environments" | "programs" | "run" | "tried"> {
  readonly environments?: ReadonlyArray<string> | undefined
  readonly programs?: Readonly<Record<string, string>> | undefined
  /** Starts what all its trials share. */
  readonly start: Effect.Effect<A, unknown, Scope.Scope>
  /** By what is tried, in words; each fails where it does not hold. They run one after another. */
  readonly trials: Readonly<Record<string, (started: A) => Effect.Effect<unknown, unknown, Scope.Scope>>>
}

export const make = <A>({
  environments = [],
  programs = {},
  start,
  trials,
  ...rest
}: PeerOptions<A>): Peer => ({
  ...rest,
  environments,
  programs,
  tried: Object.keys(trials),
  run: Effect.scoped(
    Effect.gen(function* () {
      const started = yield* Effect.exit(limited(start, "it did not start"))
      const outcomes: Array<Outcome> = []
      for (const [tried, trial] of Object.entries(trials)) {
        if (Exit.isFailure(started)) {
          outcomes.push({ tried, wrong: outcomes.length === 0 ? said(started.cause) : "it did not start" })
          continue
        }
        const exit = yield* Effect.exit(limited(Effect.scoped(trial(started.value)), "it did not settle"))
        outcomes.push({ tried, wrong: Exit.isSuccess(exit) ? "" : said(exit.cause) })
      }
      return outcomes
    })
  ).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
})

/** As for slow tests: only what hangs meets it. */
const limit = 5 * hangs

const limited = <A, E, R>(effect: Effect.Effect<A, E, R>, message: string) =>
  Effect.timeoutOrElse(effect, { duration: limit, orElse: () => Effect.die(new Error(message)) })

const said = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.replaceAll(/\s+/g, " ").slice(0, 1500)
}

const pinned = /^([A-Za-z0-9._-]+)==(\S+)$/gm
const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_.]+/g, "-")

/** Packages as a list of `test/python/` pins them. */
export const pip = (list: string, ...names: ReadonlyArray<string>): ReadonlyArray<Package> => {
  const text = readFileSync(fileURLToPath(new URL(`../python/${list}.txt`, import.meta.url)), "utf8")
  const versions = new Map(
    Array.from(text.matchAll(pinned), ([, name = "", version = ""]) => [plain(name), version])
  )
  return names.map((name) => {
    const version = versions.get(plain(name))
    if (version === undefined) throw new Error(`test/python/${list}.txt does not pin ${name}`)
    return { from: "PyPI", name, version }
  })
}

/** Packages as they are installed for this project, which `package-lock.json` pins. */
export const npm = (...names: ReadonlyArray<string>): ReadonlyArray<Package> =>
  names.map((name) => {
    const text = readFileSync(
      fileURLToPath(new URL(`../../node_modules/${name}/package.json`, import.meta.url)),
      "utf8"
    )
    const manifest: { readonly version: string } = JSON.parse(text)
    return { from: "npm", name, version: manifest.version }
  })

/** Packages of `npm/`, a folder of their own: they are installed where a peer of them starts first. */
export const npmApart = (...names: ReadonlyArray<string>): ReadonlyArray<Package> => {
  const text = readFileSync(fileURLToPath(new URL("npm/package-lock.json", import.meta.url)), "utf8")
  const lock: { readonly packages: Readonly<Record<string, { readonly version: string }>> } = JSON.parse(text)
  return names.map((name) => {
    const version = lock.packages[`node_modules/${name}`]?.version
    if (version === undefined) throw new Error(`test/peers/npm/package-lock.json does not have ${name}`)
    return { from: "npm", name, version }
  })
}

/** Packages of Debian, in the version that this machine has. */
export const debian = (...names: ReadonlyArray<string>): ReadonlyArray<Package> =>
  names.map((name) => {
    const asked = spawnSync("dpkg-query", ["-W", "-f", "${Version}", name], { encoding: "utf8" })
    return { from: "Debian", name, version: asked.status === 0 ? asked.stdout : "" }
  })
