/** Writes the two pictures of the docs that are made from the sources. Run by `npm run docs`. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Drawing from "./Drawing.ts"
import { root } from "./Reference.ts"

writeFileSync(join(root, "docs", "images", "way.svg"), Drawing.way())
writeFileSync(join(root, "docs", "images", "house.svg"), Drawing.house())
