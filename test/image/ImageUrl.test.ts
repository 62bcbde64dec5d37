/** An image behind a URL. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { type Image, ImageSource } from "effect-segformer"
import { passing } from "../support/Passing.ts"
import { closedPort, type Handler, http } from "../support/TestServer.ts"
import * as samples from "./samples.ts"
import { cut, failure, isAbout } from "./support.ts"

const platform = Layer.mergeAll(NodeHttpClient.layerUndici, Logger.layer([]))

const promise = <A>(make: () => Promise<A>) => Effect.promise(make)

describe("ImageSource.url", () => {
  const serve = (handler: Handler) => http(handler)

  it.live("is fetched with its query, and is called by its path", () =>
    Effect.gen(function* () {
      const bytes = yield* promise(samples.png)
      const server = yield* serve((_, response) => void response.end(bytes))
      const image: Image = yield* ImageSource.url(`${server.url}/a/panel.png?size=full#top`).open()
      assert.strictEqual(server.requests[0]?.path, "/a/panel.png?size=full")
      assert.deepInclude(image, { name: "panel.png", source: `${server.url}/a/panel.png`, width: 8 })
      assert.strictEqual(server.requests[0]?.headers.accept, "image/*")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live.each(["", "/", "/camera/", "/a%2Fb/", "/?x=1"])("…%s is asked for just so", (path) =>
    Effect.gen(function* () {
      const bytes = yield* promise(samples.png)
      const server = yield* serve((_, response) => void response.end(bytes))
      yield* ImageSource.url(server.url + path).open()
      assert.strictEqual(server.requests[0]?.path, path === "" ? "/" : path)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("redirects are followed, to other hosts too", () =>
    Effect.gen(function* () {
      const bytes = yield* promise(samples.png)
      const other = yield* serve((_, response) => void response.end(bytes))
      const server = yield* serve(
        (_, response) => void response.writeHead(302, { location: `${other.url}/b.png` }).end()
      )
      assert.strictEqual((yield* ImageSource.url(`${server.url}/a.png`).open()).width, 8)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("that leads nowhere, to no image, or to one too large", () =>
    Effect.gen(function* () {
      const bytes = yield* promise(() => samples.png(60, 60))
      const server = yield* serve(({ path }, response) => {
        if (path === "/none") return void response.writeHead(404).end("no")
        if (path === "/html") return void response.end("<!doctype html><title>Sign in</title>")
        if (path === "/cut") return void response.end(cut(bytes))
        if (path === "/denied") return void response.writeHead(403).end("not yours")
        response.end(bytes)
      })
      const at = (path: string) => ImageSource.url(server.url + path)
      isAbout(yield* failure(at("/none")), "ImageNotFound", `${server.url}/none`)
      isAbout(yield* failure(at("/html")), "NotAnImage", "<!doctype html>")
      isAbout(yield* failure(at("/cut")), "NotAnImage", "cut off")
      isAbout(yield* failure(at("/denied")), "Unauthorized", "not yours")
      isAbout(yield* failure(at("/"), { maxBytes: 100 }), "ImageTooLarge", "maxBytes")
      assert.strictEqual(server.requests.length, 5)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live.each([
    "",
    "panel.png",
    "ftp://host/a.png",
    "data:image/png;base64,QUJD",
    "http://u:hunter2@host/a.png"
  ])("%s is none", (address) =>
    Effect.gen(function* () {
      const error = yield* failure(ImageSource.url(address))
      isAbout(error, "InvalidUrl")
      assert.notInclude(error.message, "hunter2")
    }).pipe(Effect.provide(platform))
  )

  it.effect("of a host that does not answer is tried again, then failed", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      const server = yield* serve((_, response) => void response.socket?.resetAndDestroy())
      for (const url of [server.url, `http://127.0.0.1:${port}`]) {
        const error = yield* passing(Effect.flip(ImageSource.url(`${url}/a.png`).open()))
        assert.strictEqual(error._tag, "ConnectionFailed")
      }
      assert.strictEqual(server.requests.length, 4)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )
})
