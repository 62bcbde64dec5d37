/** Tools that read what annotators are given: our CVAT files, and our brushes. */
import assert from "node:assert/strict"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as thing from "@thi.ng/rle-pack"
import { Effect, Result, Schema } from "effect"
import { BrushRle } from "effect-segformer/annotation"
import { BinaryMask, ClassTable, type ExportFormat, Exports, LabelPng, Npy } from "effect-segformer/mask"
import * as fc from "fast-check"
import * as Steps from "../../../src/mask/Steps.ts"
import { exported, labelMaps } from "../../mask/support.ts"
import * as Python from "../../support/Python.ts"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"

/** Regions with holes, that meet at corners, at every side. */
const maps = fc.sample(labelMaps({ maxSide: 24, classes: 4 }), { numRuns: 60, seed: 24 })

const settings: ExportFormat.Settings = {
  ...exported,
  classes: ClassTable.fromNames(["background", "a", "b", "c"])
}

const cvat = (shape: ExportFormat.Shape): string => {
  const format = Exports.formats.cvat
  if (format.per !== "run") throw new Error("CVAT's file is one of all images")
  const { add, end, start } = format.open({ ...settings, shape })
  const pieces = maps.map((map, i) => Result.getOrThrow(Steps.runSync(add({ map, image: `${i}.png` }))))
  return start + pieces.join("") + end()
}

const Said = Schema.fromJsonString(
  Schema.Struct({
    masks: Schema.String,
    boxes: Schema.String,
    polygons: Schema.String,
    sdk: Schema.String
  })
)

/** What the script found to be wrong, by what it read. It runs once for both rows. */
const said = Effect.runSync(
  Effect.cached(
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* Process.folder
        for (const [kind, shape] of [
          ["masks", "mask"],
          ["boxes", "box"],
          ["polygons", "polygon"]
        ] as const) {
          mkdirSync(join(folder, kind, "images"), { recursive: true })
          writeFileSync(join(folder, kind, "annotations.xml"), cvat(shape))
          for (const [i, map] of maps.entries())
            writeFileSync(join(folder, kind, "images", `${i}.png`), Result.getOrThrow(LabelPng.encode(map)))
        }
        for (const [i, map] of maps.entries()) writeFileSync(join(folder, `${i}.npy`), Npy.fromLabelMap(map))
        const script = fileURLToPath(new URL("annotations.py", import.meta.url))
        const printed = yield* Process.output(Python.environment("datumaro").executable, [script, folder])
        return yield* Effect.fromResult(Schema.decodeUnknownResult(Said)(printed))
      })
    )
  )
)

const right = (what: keyof typeof Said.Type) => (found: typeof Said.Type) =>
  Effect.sync(() => assert.equal(found[what], ""))

export const rows: ReadonlyArray<Peer.Peer> = [
  Peer.make({
    name: "datumaro",
    kind: "tool",
    packages: Peer.pip("datumaro", "datumaro"),
    environments: ["datumaro"],
    start: said,
    trials: {
      "reads masks of our CVAT file to the same pixels": right("masks"),
      "reads boxes that cover their regions and no pixel more": right("boxes"),
      "reads outlines of the same area, holes too": right("polygons")
    }
  }),
  Peer.make({
    name: "cvat-sdk",
    kind: "tool",
    packages: Peer.pip("datumaro", "cvat-sdk"),
    environments: ["datumaro"],
    start: said,
    trials: { "decodes masks of our CVAT file to the same pixels, and encodes them alike": right("sdk") }
  }),
  Peer.make({
    name: "@thi.ng/rle-pack",
    kind: "tool",
    packages: Peer.npm("@thi.ng/rle-pack"),
    start: Effect.void,
    trials: {
      "unpacks our brushes to the same pixels, and packs what we unpack": () =>
        Effect.sync(() => {
          for (const map of maps) {
            const mask = BinaryMask.fromLabelMap(map, 1)
            const values = Uint8Array.from(
              { length: mask.data.length * 4 },
              (_, i) => mask.data[i >> 2]! * 255
            )
            assert.deepEqual(thing.decodeBinary(Uint8Array.from(BrushRle.encode(mask))), values)
            const back = BrushRle.decode(thing.encodeBinary(values, values.length), map)
            assert.ok(BinaryMask.equals(Result.getOrThrow(back), mask))
          }
        })
    }
  })
]

export const absent: ReadonlyArray<Peer.Absent> = [
  {
    name: "FiftyOne",
    because:
      "it keeps data sets in a MongoDB of its own, whose binary wants an OpenSSL that Debian no longer has; with it 1.2 GB are installed",
    instead: "its samples as they are documented, masks unpacked (test/cli/exportAnnotations.test.ts)"
  }
]
