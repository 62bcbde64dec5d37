/**
 * What a person sees: results on standard output; progress, warnings and errors on standard error. Progress shows on
 * a terminal only, and leaves nothing behind.
 */
import { Console, Effect, Logger, type Layer, type Scope } from "effect"
import { toHex } from "../mask/Palette.ts"
import type { Rgb } from "../mask/ClassTable.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Words from "./Words.ts"

const clearLine = "\r\u001B[K"

const isTerminal = (): boolean => process.stderr.isTTY && process.env["TERM"] !== "dumb"

/** Text in nothing but what can be seen: names of files may hold anything. */
export const plain = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ")

/** One line on standard error. */
export const complain = (line: string): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stderr.write(`${isTerminal() ? clearLine : ""}segformer: ${plain(Words.plain(line))}\n`)
  })

/** The same of work that is interrupted: what is kept of it, and how to go on. Where nobody says it, the program does. */
export const stopped = (line: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    ExitCode.stop.told = true
    return complain(`stopped${line}`)
  })

/** One line on standard output. */
export const say = (line: string): Effect.Effect<void> => Console.log(line)

/** A line that is replaced by the next one. */
export interface Progress {
  readonly show: (line: string) => Effect.Effect<void>
  readonly clear: Effect.Effect<void>
}

/** A line of progress, which is gone when the scope ends. */
export const progress = (enabled: boolean): Effect.Effect<Progress, never, Scope.Scope> => {
  const active = enabled && isTerminal()
  const write = (text: string) =>
    active
      ? Effect.sync(() => {
          process.stderr.write(text)
        })
      : Effect.void
  const clear = write(clearLine)
  const show = (line: string) => {
    // 0 where the terminal does not say.
    const columns = process.stderr.columns || 80
    return write(clearLine + plain(line).slice(0, Math.max(10, columns - 1)))
  }
  return Effect.as(
    Effect.addFinalizer(() => clear),
    { show, clear }
  )
}

/** Log lines on standard error, plain: `10:24:01 INFO POST /upload 200 41.3 ms`. */
export const layerLog: Layer.Layer<never> = Logger.layer([
  Logger.make(({ cause, date, logLevel, message }) => {
    const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
    const why = cause.reasons.length === 0 ? "" : `\n${String(cause)}`
    const level = logLevel === "Info" ? "" : `${logLevel.toUpperCase()} `
    process.stderr.write(
      `${isTerminal() ? clearLine : ""}${date.toTimeString().slice(0, 8)} ${level}${plain(Words.plain(text))}${why}\n`
    )
  })
])

const usesColor = (): boolean =>
  process.stdout.isTTY && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb"

/** A square in a colour, where the terminal shows colours. */
export const swatch = (color: Rgb | undefined): string =>
  color !== undefined && usesColor() ? `\u001B[38;2;${color.join(";")}m■\u001B[0m ` : ""

/** As wide as a swatch. */
export const noSwatch = (): string => (usesColor() ? "  " : "")

/** The same colour for machines. */
export const hex = (color: Rgb | undefined): string | undefined =>
  color === undefined ? undefined : toHex(color)

const whole = new Intl.NumberFormat("en-US")

/** `12,345`. */
export const count = (value: number): string => whole.format(value)

/** Images by their number: `1 image`. */
export const images = (value: number): string => `${count(value)} ${value === 1 ? "image" : "images"}`

/** Names of classes that are listed. */
const listed = 8

/** The first of many names. */
export const some = (names: ReadonlyArray<string>): string =>
  names.slice(0, listed).join(", ") + (names.length > listed ? ", …" : "")

/** Columns under their headings; the first one reads from the left, numbers from the right. */
export const table = (
  heading: ReadonlyArray<string>,
  rows: ReadonlyArray<{ readonly mark?: string; readonly cells: ReadonlyArray<string> }>
): ReadonlyArray<string> => {
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row.cells[column]?.length ?? 0))
  )
  const line = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd()
  const indent = rows.some(({ mark = "" }) => mark !== "") ? "  " : ""
  return [`  ${indent}${line(heading)}`, ...rows.map(({ cells, mark = "" }) => `  ${mark}${line(cells)}`)]
}
