/** CVAT's requests, replayed, whose answers go through the models and the masks of its own SDK. */
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect } from "effect"
import { CvatDialect, SegFormerServer } from "effect-segformer/server"
import { Npy } from "effect-segformer/mask"
import * as Python from "../../support/Python.ts"
import * as Warm from "../../support/Warm.ts"
import * as Peer from "../Peer.ts"
import * as Pictures from "../Pictures.ts"
import * as Process from "../Process.ts"

const script = fileURLToPath(new URL("cvat_replay.py", import.meta.url))

const replay = Effect.gen(function* () {
  const { url } = yield* SegFormerServer.make({ port: 0, page: false, dialects: [CvatDialect.make()] })
  const folder = yield* Process.folder
  const known = yield* Pictures.known
  for (const { bytes, name } of Pictures.pictures) {
    const map = known.get(name)
    assert.ok(map)
    writeFileSync(join(folder, name), bytes)
    writeFileSync(join(folder, `${name}.npy`), Npy.fromLabelMap(map))
  }
  const said = yield* Process.output(Python.environment("cvat").executable, [
    script,
    url,
    folder,
    JSON.stringify(Pictures.classes)
  ])
  assert.equal(said.trim(), "ok")
}).pipe(Effect.provide([Warm.model, NodeFileSystem.layer]))

export const rows: ReadonlyArray<Peer.Peer> = [
  Peer.make({
    name: "CVAT",
    kind: "client",
    packages: Peer.pip("cvat", "cvat-sdk"),
    environments: ["cvat"],
    standsFor:
      "CVAT itself, which runs as a dozen containers: its requests are replayed, and its SDK's models and masks read the answers",
    start: Effect.void,
    trials: {
      "its functions are listed; masks, polygons, boxes, thresholds and clicks, by the dashboard and directly: our label maps":
        () => replay
    }
  })
]
