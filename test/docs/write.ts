/** Writes what of the docs is made from the sources: the API reference and two pictures. Run by `npm run docs`. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import * as Drawing from "./Drawing.ts"
import * as Reference from "./Reference.ts"

const docs = join(Reference.root, "docs")
const pages = await Effect.runPromise(Reference.generate)
rmSync(join(docs, "api"), { recursive: true, force: true })
mkdirSync(join(docs, "api"), { recursive: true })
for (const [name, text] of pages) writeFileSync(join(docs, "api", name), text)
writeFileSync(join(docs, "images", "way.svg"), Drawing.way())
writeFileSync(join(docs, "images", "house.svg"), Drawing.house())
