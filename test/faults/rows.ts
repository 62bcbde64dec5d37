/** Every row that one process can check. Those that are about memory, and the soak, have modules of their own. */
import { answers, dialects, retryAfter, statuses } from "./answers.ts"
import { connections, time } from "./connections.ts"
import { batchRows } from "./batch.ts"
import { chaos, exactlyOnce, privateAddresses, strangers } from "./guards.ts"
import { downloadRows } from "./downloads.ts"
import { type Row, scenario } from "./Harness.ts"
import { load } from "./load.ts"
import { framings, gateways, names } from "./network.ts"

const scenarios = [
  ...connections,
  ...time,
  ...answers,
  ...dialects,
  ...statuses,
  ...gateways,
  ...framings,
  ...retryAfter,
  ...load,
  ...exactlyOnce,
  ...strangers,
  ...chaos
]

export const rows: ReadonlyArray<Row> = [
  ...scenarios.map(scenario),
  ...names,
  ...privateAddresses,
  ...batchRows,
  ...downloadRows
]
