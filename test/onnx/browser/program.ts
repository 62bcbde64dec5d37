/** A page of the tests: the same program as anywhere, with the layers of a browser. Tests call it by `window.segformer`. */
import { Effect, Layer, ManagedRuntime } from "effect"
import { Base64 } from "effect/encoding"
import { ImageSource, segment, Transport } from "effect-segformer"
import { CanvasCodec, ImageCodec, PureCodec } from "effect-segformer/image"
import { SegFormerWeb } from "effect-segformer/onnx/web"

/** What a test asks for. */
export interface Asked {
  readonly codec: "canvas" | "pure"
  /** Address of a picture. */
  readonly picture: string
  readonly backend?: "wasm" | "webgpu"
  readonly threads?: number
}

const fetched = (address: string) =>
  Effect.map(
    Effect.promise(async () => new Uint8Array(await (await fetch(address)).arrayBuffer())),
    (bytes) => ImageSource.bytes(bytes, { name: address.split("/").at(-1) })
  )

const codecs = { canvas: CanvasCodec.layer(), pure: PureCodec.layer() }

const runtimes = new Map<string, ManagedRuntime.ManagedRuntime<Transport | ImageCodec, unknown>>()
const runtimeOf = ({ backend = "wasm", codec, threads = 1 }: Omit<Asked, "picture">) => {
  const key = `${backend} ${codec} ${threads}`
  const known = runtimes.get(key)
  if (known !== undefined) return known
  const made = ManagedRuntime.make(
    Layer.provideMerge(SegFormerWeb.layer({ threads, backend }), codecs[codec])
  )
  runtimes.set(key, made)
  return made
}

/** The label map of a picture, its ids in base64: a list of numbers is checked one by one on its way to the test. */
const labels = (asked: Asked): Promise<{ width: number; height: number; data: string }> =>
  runtimeOf(asked).runPromise(
    Effect.gen(function* () {
      const { data, height, width } = yield* (yield* segment(yield* fetched(asked.picture))).labelMap
      return { width, height, data: Base64.encode(Uint8Array.from(data)) }
    })
  )

/** What the transport says of itself. */
const health = (asked: Omit<Asked, "picture">): Promise<string | undefined> =>
  runtimeOf(asked).runPromise(
    Effect.gen(function* () {
      return (yield* (yield* Transport).health).detail
    })
  )

/** The pixels of a picture in base64, or why there are none. */
const pixels = ({ codec, picture }: Asked): Promise<{ data: string } | string> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const image = yield* (yield* fetched(picture)).open()
      return { data: Base64.encode((yield* (yield* ImageCodec).decode(image)).data) }
    }).pipe(
      Effect.catch(({ message }) => Effect.succeed(message)),
      Effect.provide(codecs[codec])
    )
  )

/** Why a model is not loaded. */
const failure = (options: SegFormerWeb.SegFormerWebOptions): Promise<string> =>
  Effect.runPromise(
    SegFormerWeb.make(options).pipe(
      Effect.map(() => "it is loaded"),
      Effect.catch(({ message }) => Effect.succeed(message)),
      Effect.provide(codecs.pure),
      Effect.scoped
    )
  )

const calls = { failure, health, labels, pixels }

declare global {
  interface Window {
    segformer: typeof calls
  }
}

window.segformer = calls
