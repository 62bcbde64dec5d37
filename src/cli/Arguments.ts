/** What is said of words on a command line that are not what they look like, before they are taken for flags. */
import type { CliError } from "effect/cli"
import * as Flags from "./Flags.ts"

/** The flags of one letter, of all commands, and whether a value goes with each. */
export const letters: Readonly<Record<string, { readonly hasValue: boolean }>> = {
  c: { hasValue: true },
  h: { hasValue: false },
  m: { hasValue: true },
  o: { hasValue: true },
  p: { hasValue: true },
  q: { hasValue: false },
  u: { hasValue: true },
  v: { hasValue: false }
}

const isNumber = (word: string): boolean => /^-(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(word)

/**
 * What is wrong with a word of several letters behind one dash that are not all flags. The parser takes each letter for a flag, and
 * would print its help for a file called `-dash.png`.
 */
export const dashed = (args: ReadonlyArray<string>): string | undefined => {
  const end = args.indexOf("--")
  const word = args.slice(0, end < 0 ? undefined : end).find((word) => {
    const [flags = ""] = word.slice(1).split("=")
    const isCluster = [...flags].every((letter) => Object.hasOwn(letters, letter))
    return /^-[^-]./.test(word) && !isNumber(word) && !isCluster
  })
  if (word === undefined) return undefined
  const [, letter = "", value = ""] = /^-(.)=?(.*)$/s.exec(word) ?? []
  const split =
    letters[letter]?.hasValue === true && value !== ""
      ? `, and for its value ${value} write -${letter} ${value}`
      : ""
  const long = /^-[a-z][a-z-]+(?:=.*)?$/.test(word) ? `: is -${word} meant?` : "."
  return `${word} begins with a dash, and is no flag${long} For a file that is called so write ./${word}${split}`
}

/** What is wrong with a variable of the environment, where that and no flag was refused. */
export const ofVariable = (
  error: CliError.CliError,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>
): string | undefined => {
  if (error._tag !== "InvalidValue" || error.kind !== "flag") return undefined
  const [, expected, named] = /^SchemaError\(Expected:? (.*?)\s*at \["(\w+)"\]\)$/s.exec(error.expected) ?? []
  const name =
    named ??
    Array.from(Flags.variables).find(
      ([variable, flag]) =>
        flag === error.option && env[variable] === error.value && !args.some((word) => isOf(word, flag))
    )?.[0]
  return name === undefined
    ? undefined
    : `${name} is "${env[name] ?? ""}", but must be ${(expected ?? error.expected).replace(/^a string representing /, "")}`
}

/** Whether a word is this flag, or the letter of it. */
const isOf = (word: string, flag: string): boolean =>
  word === `--${flag}` || word.startsWith(`--${flag}=`) || (/^-[a-z]/.test(word) && word[1] === flag[0])
