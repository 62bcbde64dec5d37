/** Which paths the dialects have, for requests that no route answers: with which methods, and in whose form to say no. */
import type { Dialect, DialectRoute } from "./Dialect.ts"

export interface Paths {
  /** Notes a route; `false` where another dialect has its path and method already. */
  readonly add: (
    dialect: Dialect,
    route: { readonly method: DialectRoute["method"] | "*"; readonly path: string }
  ) => boolean
  /** The methods that a path is asked with; `undefined` for a path that nobody has. */
  readonly methods: (path: string) => ReadonlyArray<string> | undefined
  /** The dialect that has a path, whatever the method. */
  readonly owner: (path: string) => Dialect | undefined
  /** The first dialect with a route that starts as the path does: `/v2/anything` is Open Inference's to refuse. */
  readonly nearest: (path: string) => Dialect | undefined
}

interface Known {
  readonly dialect: Dialect
  readonly pattern: RegExp
  readonly methods: Array<string>
}

/** A part of a path, with the pattern that it fits, if any. */
const part = /:\w+(?:\(\^?([^)$]*)\$?\))?/g

const patternOf = (path: string): RegExp => {
  const patterns = [...path.matchAll(part)].map(([, pattern = "[^/]+"]) => pattern)
  const between = path
    .split(/:\w+(?:\([^)]*\))?/)
    .map((text) => text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".+"))
  return new RegExp(`^${between.map((text, index) => text + (patterns[index] ?? "")).join("")}/?$`)
}

/** The path up to its second slash. */
const start = (path: string): string => path.split("/", 2)[1] ?? ""

export const make = (): Paths => {
  const known = new Map<string, Known>()
  const starts = new Map<string, Dialect>()
  return {
    add: (dialect, { method, path }) => {
      // Two dialects may call the same part of a path by different names.
      const key = path.replaceAll(/:\w+/g, ":")
      const entry = known.get(key) ?? { dialect, pattern: patternOf(path), methods: [] }
      if (entry.methods.includes(method)) return false
      entry.methods.push(method)
      known.set(key, entry)
      if (!starts.has(start(path))) starts.set(start(path), dialect)
      return true
    },
    methods: (path) => {
      const found = [...known.values()].flatMap(({ methods, pattern }) => (pattern.test(path) ? methods : []))
      return found.length === 0 ? undefined : [...new Set(found)]
    },
    // A path that is written as it is belongs to whom it is written for, whatever patterns it fits.
    owner: (path) =>
      (known.get(path) ?? [...known.values()].find(({ pattern }) => pattern.test(path)))?.dialect,
    nearest: (path) => starts.get(start(path))
  }
}
