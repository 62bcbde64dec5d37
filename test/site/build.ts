/** `npm run site`: the documentation as a site, in the folder `site`. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import * as Reference from "../docs/Reference.ts"
import * as Site from "./Site.ts"

const out = join(Reference.root, "site")
rmSync(out, { recursive: true, force: true })
const api = await Effect.runPromise(Reference.generate)
const { broken, pages, sections } = await Site.build({ root: Reference.root, out, api })
console.log(`${pages.length} pages, ${sections} sections to search, in site/`)
if (broken.length > 0) {
  console.error(`Links that lead nowhere:\n${broken.join("\n")}`)
  process.exitCode = 1
}
