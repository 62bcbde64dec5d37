/** The whole application, with a fake in the place of the model. */
import { NodeFileSystem, NodeHttpServer } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { PanelsApi } from "../src/Api.ts"
import { Inspector } from "../src/Inspector.ts"
import { routes } from "../src/Routes.ts"
import { sweep } from "../src/Inbox.ts"

const fake = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
const inspector = Layer.provide(Inspector.layer({ minPixels: 1 }), fake)
const app = HttpRouter.serve(routes, { disableListenLog: true, disableLogger: true }).pipe(
  Layer.provideMerge([inspector, NodeHttpServer.layerTest, NodeFileSystem.layer])
)
const inspect = (name: string, payload: Uint8Array) =>
  Effect.flatMap(HttpApiClient.make(PanelsApi), ({ panels }) => panels.inspect({ params: { name }, payload }))

layer(app)("the application", (it) => {
  it.effect("reports the defects of a panel, over its contract", () =>
    Effect.gen(function* () {
      const { damaged, defects } = yield* inspect("a.png", Fixtures.image)
      assert.deepStrictEqual(
        defects.map(({ kind }) => kind),
        ["scratch", "particle"]
      )
      assert.isAbove(damaged, 0)
      const refused = yield* Effect.flip(inspect("a.txt", new TextEncoder().encode("hello")))
      assert.strictEqual(refused._tag, "NotInspected")
    })
  )

  it.effect("writes a report beside each panel of the inbox, once", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const inbox = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFile(`${inbox}/a.png`, Fixtures.image)
      assert.strictEqual((yield* sweep(inbox)).length, 1)
      assert.include(yield* fs.readFileString(`${inbox}/a.png.json`), "scratch")
      assert.strictEqual((yield* sweep(inbox)).length, 0)
    }).pipe(Effect.scoped)
  )
})
