/** Every attack. */
import type { Attack } from "./Attack.ts"
import { crowds } from "./crowds.ts"
import { doors } from "./doors.ts"
import { strangers } from "./strangers.ts"
import { wire } from "./wire.ts"

export const rows: ReadonlyArray<Attack> = [...doors, ...wire, ...crowds, ...strangers]
