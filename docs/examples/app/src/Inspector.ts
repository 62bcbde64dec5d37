/** The application's own service, on top of the segmenter: whoever provides the `Transport` does the work. */
import { Config, Context, Effect, Layer } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import { NotInspected, type Report } from "./Api.ts"

export class Inspector extends Context.Service<
  Inspector,
  { readonly inspect: (name: string, image: Uint8Array) => Effect.Effect<typeof Report.Type, NotInspected> }
>()("app/Inspector") {
  static readonly make = Effect.fnUntraced(function* (options: { readonly minPixels: number }) {
    const transport = yield* Transport
    const inspect = Effect.fn("Inspector.inspect")(
      function* (name: string, image: Uint8Array) {
        const found = yield* segment(ImageSource.bytes(image, { name }))
        const regions = yield* found.regions
        const defects = regions
          .filter(({ area, className }) => className !== "background" && area >= options.minPixels)
          .map(({ area, className }) => ({ kind: className, pixels: area }))
        const pixels = defects.reduce((sum, defect) => sum + defect.pixels, 0)
        return { name, damaged: pixels / (found.width * found.height), defects }
      },
      (self, name) => Effect.mapError(self, ({ message }) => new NotInspected({ name, message })),
      Effect.provideService(Transport, transport)
    )
    return Inspector.of({ inspect })
  })
  static readonly layer = (options: { readonly minPixels: number }) =>
    Layer.effect(Inspector, Inspector.make(options))
  static readonly layerConfig = (config: Config.Wrap<{ readonly minPixels: number }>) =>
    Layer.unwrap(Effect.map(Config.unwrap<{ readonly minPixels: number }>(config), Inspector.layer))
}
