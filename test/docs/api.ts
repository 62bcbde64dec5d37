/** Writes the API reference to docs/api, which is not committed: the package has it. Run before it is packed. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import * as Reference from "./Reference.ts"

const folder = join(Reference.root, "docs", "api")
const pages = await Effect.runPromise(Reference.generate)
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const [name, text] of pages) writeFileSync(join(folder, name), text)
