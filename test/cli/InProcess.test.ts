/**
 * The command in this process: its parts together, held to exit codes and files. The tests beside this one start it as a
 * user does, and read what it prints.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result } from "effect"
import { Command } from "effect/cli"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import * as ExitCode from "../../src/cli/ExitCode.ts"
import { command } from "../../src/cli/Program.ts"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import { folder } from "../support/Folder.ts"

/** Runs a command line; gives its exit code. */
const run = (...args: ReadonlyArray<string>): Effect.Effect<number> =>
  Command.runWith(command, { version: "0.0.0" })(args).pipe(
    Effect.provide(NodeServices.layer),
    Effect.exit,
    Effect.map((exit) => ExitCode.of(Exit.asVoid(exit)))
  )

const panel = Effect.tap(folder(), (path) =>
  Effect.sync(() => writeFileSync(join(path, "panel.png"), Fixtures.image))
)

describe("segformer, in this process", () => {
  it.live("segments with the model in the box and writes three files", () =>
    Effect.gen(function* () {
      const path = yield* panel
      const code = yield* run("segment", join(path, "panel.png"), "--out", join(path, "out"), "--legend")
      assert.strictEqual(code, 0)
      const json = JSON.parse(readFileSync(join(path, "out", "panel.json"), "utf8"))
      assert.deepInclude(json, { width: 48, height: 32 })
      const labels = LabelPng.decode(readFileSync(join(path, "out", "panel.labels.png")))
      assert.deepInclude(Result.getOrThrow(labels), { width: 48, height: 32 })
    }).pipe(Effect.scoped)
  )

  it.live("segments a folder by a service, goes on after a file that is no image, and says so", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const path = yield* panel
      writeFileSync(join(path, "text.jpg"), "no image at all")
      const out = join(path, "..", `${path.split("/").at(-1)}-out`)
      const code = yield* run("segment", path, "--url", server.url, "--out", out, "--json")
      assert.strictEqual(code, 1)
      assert.strictEqual(server.uploads.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("health tells a service that can segment from one that is not there", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      assert.strictEqual(yield* run("health", "--url", server.url), 0)
      server.state.modelLoaded = false
      assert.strictEqual(yield* run("health", "--url", server.url), 3)
    }).pipe(Effect.scoped)
  )

  it.live("probe names the protocol of a service", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      assert.strictEqual(yield* run("probe", server.url), 0)
      assert.isAtMost(server.requests.length, 10)
    }).pipe(Effect.scoped)
  )

  it.live("eval and export read label maps and write what was asked", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const map = Result.getOrThrow(LabelPng.encode(Fixtures.labelMap))
      const flipped = Result.getOrThrow(LabelPng.encode(LabelMap.flipX(Fixtures.labelMap)))
      for (const [name, bytes] of [
        ["found", flipped],
        ["truth", map]
      ] as const) {
        mkdirSync(join(path, name))
        writeFileSync(join(path, name, "a.png"), bytes)
      }
      const report = join(path, "report.html")
      const scores = ["eval", join(path, "found"), join(path, "truth"), "--boundary", "--html", report]
      assert.strictEqual(yield* run(...scores), 0)
      assert.match(readFileSync(report, "utf8"), /^<!doctype html>/i)
      for (const [format, file] of [
        ["coco", "coco.json"],
        ["geojson", "map.geojson"],
        ["csv", "areas.csv"],
        ["rle", "rle.json"],
        ["yolo", "yolo"],
        ["npy", "npy"],
        ["png", "png"]
      ] as const) {
        const code = yield* run("export", format, join(path, "truth"), "--out", join(path, file))
        assert.strictEqual(code, 0, format)
      }
      const coco = JSON.parse(readFileSync(join(path, "coco.json"), "utf8"))
      assert.isAbove(coco.annotations.length, 0)
    }).pipe(Effect.scoped)
  )
})
