/** Variables of the environment that are called nearly as those that are read: they would do nothing, without a word. */
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import * as SegFormerConfig from "../http/SegFormerConfig.ts"
import * as ServiceVariables from "../http/ServiceVariables.ts"
import * as PolicyConfig from "../policy/PolicyConfig.ts"
import * as ExchangeConfig from "../service/ExchangeConfig.ts"
import * as Flags from "./Flags.ts"
import * as Screen from "./Screen.ts"
// Flags that variables go with say so where they are declared.
import "./ServeCommand.ts"
import "./WorkerCommand.ts"

/** All that is read. */
export const known: ReadonlySet<string> = new Set([
  ...[
    SegFormerConfig.serviceVariables,
    ServiceVariables.variables,
    PolicyConfig.variables,
    { ...ExchangeConfig.variables, poolSize: ExchangeConfig.poolSize }
  ].flatMap((table) => Object.values(table).map(({ name }) => name)),
  ...Flags.variables.keys(),
  "SEGFORMER_SERVE_TOKENS",
  "SEGFORMER_CACHE",
  "SEGFORMER_PROVIDER"
])

const prefix = /^segformers?_/i
const wordsOf = (name: string): ReadonlyArray<string> => name.replace(prefix, "").toUpperCase().split("_")

/** Letters that differ, by Levenshtein. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length]!
}

/** The variable that is meant by a name that is read nowhere; `undefined` where it is like none. */
export const nearest = (name: string): string | undefined => {
  if (!prefix.test(name) || known.has(name)) return undefined
  const words = wordsOf(name)
  const text = words.join("")
  const ranked = Array.from(known, (other) => {
    const own = wordsOf(other)
    // `SEGFORMER_URL` is `SEGFORMER_SERVICE_URL` with a word left out.
    const isPart = words.every((word) => own.includes(word))
    const letters = distance(text, own.join(""))
    return {
      other,
      rank: letters <= Math.max(1, text.length / 4) ? letters : isPart ? 100 + letters : Infinity
    }
  }).sort((a, b) => a.rank - b.rank)
  const [first] = ranked
  return first === undefined || first.rank === Infinity ? undefined : first.other
}

/** Whether a settings file on the command line names the variable: keys may be called as one likes. */
const isNamed = (name: string, args: ReadonlyArray<string>): boolean =>
  args.some((arg, index) => {
    const path = arg === "--service" ? args[index + 1] : /^--service=(.+)$/.exec(arg)?.[1]
    try {
      return path !== undefined && readFileSync(path, "utf8").includes(`"${name}"`)
    } catch {
      return false
    }
  })

/** Says so, a line for each. */
export const tell = (
  env: Readonly<Record<string, string | undefined>>,
  args: ReadonlyArray<string>
): Effect.Effect<void> =>
  Effect.forEach(
    Object.keys(env).sort(),
    (name) => {
      const meant = nearest(name)
      return meant === undefined || env[name] === "" || isNamed(name, args)
        ? Effect.void
        : Screen.complain(`the variable ${name} is read nowhere: is ${meant} meant?`)
    },
    { discard: true }
  )
