/** The one program in a page: its model in a worker of the page's. Called by `window.labels`. */
import { Effect, Layer } from "effect"
import { PureCodec } from "effect-segformer/image"
import { SegFormerWeb } from "effect-segformer/onnx/web"
import { labels, type Labels } from "./labels.ts"

const layer = SegFormerWeb.layer({ threads: 1 }).pipe(Layer.provide(PureCodec.layer()))

const inPage = (names: ReadonlyArray<string>): Promise<Labels> =>
  Effect.forEach(names, (name) =>
    Effect.promise(async () => ({
      name,
      bytes: new Uint8Array(await (await fetch(`/pictures/${name}`)).arrayBuffer())
    }))
  ).pipe(Effect.flatMap(labels), Effect.provide(layer), Effect.runPromise)

declare global {
  interface Window {
    labels: typeof inPage
  }
}

window.labels = inPage
