/** `segformer segment` that is stopped: what is whole stays, and nothing else does. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ImageHeader } from "effect-segformer/image"
import { Fixtures } from "effect-segformer/testing"
import { gate, serve } from "../server/support.ts"
import { eventually } from "../support/Eventually.ts"
import { runProcess, start } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"

/** Panels of one colour with one defect are enough here: the service finds the fixture's defects in each. */
const images = { "a.png": Fixtures.image, "b.png": Fixtures.image }

describe("Ctrl-C", () => {
  it.live("in the middle of a batch keeps what is whole, leaves nothing partial, and ends with 130", () =>
    Effect.gen(function* () {
      const held = gate()
      let asked = 0
      const { url } = yield* serve(() =>
        ++asked === 1 ? Effect.succeed(Fixtures.prediction) : held.predict()
      )
      const cwd = yield* folder(images)
      const running = yield* start(["segment", "a.png", "b.png", "--url", url, "-c", "1", "--json"], { cwd })
      yield* eventually(() => held.entered() === 1)
      running.process.kill("SIGINT")
      const { code } = yield* Effect.promise(() => running.ended)
      assert.strictEqual(code, 130)
      assert.deepStrictEqual(names(join(cwd, "segformer-out")), ["a.json", "a.labels.png", "a.overlay.png"])
    }).pipe(Effect.scoped)
  )

  it.live.each(["segment", "tile"])("while %s is still loaded is told", (command) =>
    Effect.gen(function* () {
      const cwd = yield* folder(images)
      // As soon as somebody listens for it.
      const script = `process.once("newListener",(name)=>name==="SIGINT"&&process.nextTick(()=>process.kill(process.pid,name)))`
      const ended = yield* runProcess([command, "a.png", "--out", "out.tif"], {
        cwd,
        env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` }
      })
      assert.strictEqual(ended.code, 130)
      // How far it came is a matter of the machine; that it says so is not.
      assert.match(ended.stderr, /^segformer: stopped\b.*\n$/)
      assert.deepStrictEqual(names(cwd), ["a.png", "b.png"])
    }).pipe(Effect.scoped)
  )

  it.live("reaches the model's processes too, as a terminal sends it, and none stays behind", () =>
    Effect.gen(function* () {
      const many = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`p${i}.png`, Fixtures.image]))
      const cwd = yield* folder(many)
      const running = yield* start(["segment", ".", "--json"], { cwd, detached: true })
      yield* eventually(() => running.stdout() !== "")
      const pid = running.process.pid ?? 0
      process.kill(-pid, "SIGINT")
      const { code, stderr } = yield* Effect.promise(() => running.ended)
      assert.strictEqual(code, 130)
      assert.match(stderr, /^segformer: stopped: \d+ of 400 images are done(, in segformer-out)?\n$/)
      assert.throws(() => process.kill(-pid, 0), /ESRCH/)
    }).pipe(Effect.scoped)
  )

  it.live("happens by itself when nobody reads what is printed, and leaves whole files", () =>
    Effect.gen(function* () {
      const many = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`p${i}.png`, Fixtures.image]))
      const cwd = yield* folder(many)
      const running = yield* start(["segment", ".", "--json"], { cwd })
      yield* eventually(() => running.stdout() !== "")
      running.process.stdout?.destroy()
      const { code, stderr } = yield* Effect.promise(() => running.ended)
      assert.strictEqual(code, 141)
      assert.match(stderr, /^segformer: stopped: \d+ of 400 images are done/)
      const files = readdirSync(join(cwd, "segformer-out"))
      assert.isTrue(files.every((name) => /\.(?:overlay\.png|labels\.png|json)$/.test(name)))
    }).pipe(Effect.scoped)
  )

  it.live("at any moment leaves whole files or none", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`p${i}.png`, Fixtures.image]))
      for (const wait of [0, 15, 40]) {
        const cwd = yield* folder(many)
        const running = yield* start(["segment", ".", "--url", url, "-c", "8", "--json"], { cwd })
        yield* eventually(() => running.stdout() !== "")
        yield* Effect.sleep(wait)
        running.process.kill("SIGINT")
        const { code, stderr } = yield* Effect.promise(() => running.ended)
        assert.strictEqual(code, 130, stderr)
        const written = names(join(cwd, "segformer-out"))
        assert.deepStrictEqual(
          written.filter((name) => !/^p\d+\.(json|labels\.png|overlay\.png)$/.test(name)),
          []
        )
        assert.isBelow(written.length, 900)
        for (const name of written) {
          const bytes = readFileSync(join(cwd, "segformer-out", name))
          if (name.endsWith(".json")) JSON.parse(bytes.toString())
          else assert.isTrue(ImageHeader.isWholePng(bytes), name)
        }
      }
    }).pipe(Effect.scoped)
  )
})
