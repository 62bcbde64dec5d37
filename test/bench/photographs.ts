/**
 * Pictures as cameras take them, of 2 megapixels, in Chromium: from JPEG files to label maps of the model in the box, beside
 * `@huggingface/transformers` with as many threads. What stands around the model has more to do than in `runtimes.ts`, whose pictures
 * are 256 to 512 pixels a side.
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import sharp from "sharp"
import { folder } from "../support/Folder.ts"
import type { Report } from "./Report.ts"
import * as Chromium from "./runtimes/Chromium.ts"
import { compare } from "./runtimes/Rounds.ts"

const pictures = 6
const size = { width: 1632, height: 1224 }

const heldOut = fileURLToPath(new URL("../fixtures/heldout", import.meta.url))

/** The held-out ones, enlarged: there are no photographs in the project. */
const files = Effect.promise(async () => {
  const names = readdirSync(heldOut).filter((file) => file.endsWith(".jpg"))
  const made: Record<string, Buffer> = {}
  for (const name of names.slice(0, pictures)) {
    made[name] = await sharp(join(heldOut, name))
      .resize({ ...size, fit: "fill" })
      .jpeg({ quality: 90 })
      .toBuffer()
  }
  return made
})

export const run = (report: Report): Promise<void> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const made = yield* files
        const origin = yield* Chromium.serve(yield* folder(made))
        const all = Chromium.subjects(origin, Object.keys(made))
        yield* Effect.promise(() => compare(report, "photographs", pictures, all))
      })
    )
  )
