/**
 * `npm run test:faults`: what goes wrong, row by row, over real sockets against a service that misbehaves on purpose.
 * It ends with 1 where a row does not hold. A word as argument runs the rows whose fault has it.
 */
import { header, type Line, play, print } from "./Harness.ts"
import { memoryRows } from "./memory.ts"
import { rows } from "./rows.ts"
import { soak } from "./soak.ts"
import { end } from "../support/Table.ts"

const wanted = process.argv[2]
const isWanted = (fault: string) => wanted === undefined || fault.includes(wanted)

const started = performance.now()
const lines: Array<Line> = []
const tell = (line: Line) => {
  lines.push(line)
  console.log(print(line))
}

console.log(header)
// What the first call loads is not what a row leaves behind.
await play(rows.find(({ fault }) => fault.startsWith("slow start"))!)
for (const row of rows) if (isWanted(row.fault)) tell(await play(row))
for (const row of memoryRows) if (isWanted(row.fault)) tell(await row.play())
if (isWanted("soak")) tell(await soak())

end(lines, started)
