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

/** What a settings file says too. */
const ofSettings = [
  ...Object.values(SegFormerConfig.serviceVariables),
  ...Object.values(ServiceVariables.variables)
]
const key = SegFormerConfig.serviceVariables.apiKey.name
/** What is read of a service. */
const ofServices = [
  ...ofSettings,
  ...Object.values(PolicyConfig.variables),
  ...Object.values(ExchangeConfig.variables),
  ExchangeConfig.poolSize
]

/** All that is read. */
export const known: ReadonlySet<string> = new Set([
  ...ofServices.map(({ name }) => name),
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

/** Where a command reads of a service what a flag was to say that there is none of: `--protocol`, `--retries`. */
export const insteadOf = (flag: string): string | undefined => {
  const word = flag.replace(/^-+/, "").replaceAll("-", "_").toUpperCase()
  const name = word === "TOKEN" ? key : `SEGFORMER_${word}`
  const meant = known.has(name) ? name : nearest(name)
  const found = ofServices.find((variable) => variable.name === meant)
  if (found === undefined) return undefined
  const isSetting = found.name !== key && ofSettings.some((each) => each === found)
  return `${found.name}${isSetting ? " or the file of --service" : ""}`
}

/** What Kubernetes sets in each container for a service called `segformer…`: nobody wrote it. */
const isOfKubernetes = (env: Readonly<Record<string, string | undefined>>, name: string): boolean => {
  const [service] = name.split(/_(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_|$)/)
  return /^\w+:\/\//.test(env[`${service}_PORT`] ?? "") && env[`${service}_SERVICE_HOST`] !== undefined
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

/** What is said of a variable; `undefined` where it may be anybody's. */
const toldOf = (name: string): string | undefined => {
  const meant = nearest(name)
  if (meant !== undefined) return `the variable ${name} is read nowhere: is ${meant} meant?`
  // Of `serve` alone each flag is one: who wrote another thinks that there is such a flag.
  return /^segformer_serve_/i.test(name) && !known.has(name)
    ? `the variable ${name} is read nowhere: \`segformer serve --help\` has the flags that variables go with`
    : undefined
}

/** Says so, a line for each. */
export const tell = (
  env: Readonly<Record<string, string | undefined>>,
  args: ReadonlyArray<string>
): Effect.Effect<void> =>
  Effect.forEach(
    Object.keys(env).sort(),
    (name) => {
      const told = toldOf(name)
      return told === undefined || env[name] === "" || isOfKubernetes(env, name) || isNamed(name, args)
        ? Effect.void
        : Screen.complain(told)
    },
    { discard: true }
  )
