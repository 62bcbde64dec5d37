/**
 * `npm run test:attacks`: what strangers try, row by row, over real sockets. It ends with 1 where a row does not hold. A
 * word as argument runs the rows whose kind or attack has it.
 */
import * as Table from "../support/Table.ts"
import { play } from "./Attack.ts"
import { rows } from "./rows.ts"

const wanted = process.argv[2]
const table = Table.make([
  ["kind", 26, "words"],
  ["attack", 66, "words"],
  ["must", 58, "words"],
  ["seen", 24, "words"],
  ["ms", 6]
])

const started = performance.now()
const lines: Array<{ readonly wrong: string }> = []
console.log(table.header)
for (const row of rows) {
  if (wanted !== undefined && !`${row.kind} ${row.attack}`.includes(wanted)) continue
  const begun = performance.now()
  const { seen, wrong } = await play(row)
  const took = (performance.now() - begun).toFixed(0)
  lines.push({ wrong })
  const attack = row.attack.replaceAll(/[^\x20-\x7e]/g, "?")
  console.log(table.line([row.kind, attack, row.must, seen, took], wrong))
}
Table.end(lines, started)
