/** `npm run site`: the documentation as a site, in the folder `site`, with the page and its model to try. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { ModelSource } from "effect-segformer/onnx"
import { StaticPage } from "effect-segformer/server"
import * as Reference from "../docs/Reference.ts"
import * as Site from "./Site.ts"

const out = join(Reference.root, "site")
rmSync(out, { recursive: true, force: true })
const api = await Effect.runPromise(Reference.generate)
const page = await Effect.runPromise(StaticPage.files({ model: ModelSource.bundled }))
const { broken, pages, sections } = await Site.build({ root: Reference.root, out, api, page })
console.log(`${pages.length} pages, ${sections} sections to search, in site/`)
const megabytes = page.reduce((sum, file) => sum + StaticPage.wireBytes(file), 0) / 1e6
console.log(`The page to try is ${megabytes.toFixed(2)} MB over the wire (at most 6), in site/try/`)
if (megabytes > 6) process.exitCode = 1
if (broken.length > 0) {
  console.error(`Links that lead nowhere:\n${broken.join("\n")}`)
  process.exitCode = 1
}
