/** Runs in each runtime: `main.ts LAYER FOLDER` prints the labels of the folder's pictures as one line of JSON. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { labels } from "./labels.ts"
import { layers } from "./layers.ts"

const [name = "", folder = ""] = process.argv.slice(2)
const layer = Object.entries(layers).find(([known]) => known === name)?.[1]
if (layer === undefined) throw new Error(`no layer is called ${name}`)
const pictures = readdirSync(folder)
  .toSorted()
  .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }))
console.log(JSON.stringify(await Effect.runPromise(Effect.provide(labels(pictures), await layer()))))
