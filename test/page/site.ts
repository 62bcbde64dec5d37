/** The page without a server, on a host of files, and visits to it for which the network is cut once it has loaded. */
import { mkdirSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { dirname, join } from "node:path"
import { assert } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { ModelSource } from "effect-segformer/onnx"
import { StaticPage } from "effect-segformer/server"
import { rolldown } from "rolldown"
import { site } from "../../rolldown.config.ts"
import { folder } from "../support/Folder.ts"
import { serveFolders } from "../support/StaticServer.ts"
import { visit } from "./support.ts"

/** As it is published, made once. */
export class Files extends Context.Service<Files, ReadonlyArray<StaticPage.SiteFile>>()(
  "test/page/site/Files"
) {
  static readonly layer = Layer.effect(Files, Effect.orDie(StaticPage.files({ model: ModelSource.bundled })))
}

interface Hosted {
  readonly url: string
  /** Paths that the host was asked for. */
  readonly asked: Array<string>
}

/** Puts files on a host. */
export const hosted = Effect.fnUntraced(function* (files: ReadonlyArray<StaticPage.SiteFile>) {
  const place = yield* folder({})
  for (const { bytes, path } of files) {
    mkdirSync(dirname(join(place, path)), { recursive: true })
    writeFileSync(join(place, path), bytes)
  }
  return yield* host(place)
})

/** A folder of files, by a host of files. */
export const host = Effect.fnUntraced(function* (place: string) {
  const asked: Array<string> = []
  const url = yield* serveFolders({ "/": place }, { onRequest: (path) => asked.push(path) })
  return { url, asked }
})

/** The site as it is. */
export class Site extends Context.Service<Site, Hosted>()("test/page/site/Site") {
  static readonly layer = Layer.effect(Site, Effect.flatMap(Files, hosted))
}

/** Its model's worker with the models of the tests. */
const drawn = Effect.promise(async () => {
  const name = "DrawnWorker"
  const [first] = site("unwritten")
  const { output, ...options } = first!
  const input = { [name]: fileURLToPath(new URL(`${name}.ts`, import.meta.url)) }
  const [{ code }] = (await (await rolldown({ ...options, input })).generate(output)).output
  return Buffer.from(code)
})

/** The site with the models of the tests, and their bound of pixels. */
export class DrawnSite extends Context.Service<DrawnSite, Hosted>()("test/page/site/DrawnSite") {
  static readonly layer = Layer.effect(
    DrawnSite,
    Effect.gen(function* () {
      const worker = yield* drawn
      const files = yield* Files
      return yield* hosted(
        files.map(({ bytes, path }) =>
          path.endsWith("/ModelWorker.js")
            ? { path, bytes: worker }
            : path === "index.html"
              ? {
                  path,
                  bytes: Buffer.from(
                    Buffer.from(bytes)
                      .toString()
                      .replace(/data-max-pixels="\d+"/, `data-max-pixels="2000000"`)
                  )
                }
              : { path, bytes }
        )
      )
    })
  )
}

/** A visit for which the network is cut as soon as the page has loaded; that nothing was asked of it is asserted. */
export const visitCut = (
  { asked, url }: Hosted,
  use: Parameters<typeof visit>[1],
  options?: Parameters<typeof visit>[2]
) =>
  visit(
    url,
    async (page, watched) => {
      await page.context().setOffline(true)
      asked.length = 0
      await use(page, watched)
      // Whether there is a newer one is looked for now and then by the browser itself.
      assert.deepStrictEqual(
        asked.filter((path) => path !== "/offline.js"),
        []
      )
    },
    // Tabs of other tests are not to lose their network.
    { ...options, baseURL: url, serviceWorkers: "allow" }
  )
