/** Tables of rows that hold or do not, as `npm run test:faults` and `npm run test:attacks` print them. */

/** A column: its name, its width, and whether it holds words, which stand to the left. */
export type Column = readonly [name: string, width: number, kind?: "words"]

/** How a line of these columns is written. */
export const make = (columns: ReadonlyArray<Column>) => {
  const cells = (values: ReadonlyArray<string>): string =>
    columns
      .map(([, width, kind], i) =>
        kind === "words" ? (values[i] ?? "").padEnd(width) : (values[i] ?? "").padStart(width)
      )
      .join("  ")
  return {
    header: cells(columns.map(([name]) => name)),
    /** `wrong` is what does not hold; empty where all does. */
    line: (values: ReadonlyArray<string>, wrong: string): string =>
      `${cells(values)}  ${wrong === "" ? "holds" : `DOES NOT HOLD: ${wrong}`}`
  }
}

/** The last line, and the end of the process: 1 where a row does not hold. */
export const end = (lines: ReadonlyArray<{ readonly wrong: string }>, started: number): never => {
  const failed = lines.filter(({ wrong }) => wrong !== "")
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${lines.length} rows in ${seconds} s, ${failed.length} of which do not hold`)
  process.exit(failed.length === 0 ? 0 : 1)
}
