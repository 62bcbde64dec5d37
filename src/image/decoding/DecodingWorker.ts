/**
 * A codec whose work happens in a worker: it is started with the first picture, has one picture at a time in it, and ends
 * with the scope. Where a picture is interrupted while it is at work, the worker ends and the next picture starts another: a
 * decoder knows no other way to stop.
 */
import { Effect, type Scope, Semaphore } from "effect"
import * as BackgroundWorker from "../../BackgroundWorker.ts"
import { CodeNotLoaded } from "../../service/CodeNotLoaded.ts"
import { type CodecError, type DecodeOptions, type EncodeOptions, ImageCodec } from "../ImageCodec.ts"
import { DependencyMissing, NotAnImage, UnsupportedImage } from "../ImageError.ts"
import { type Image, within } from "../Image.ts"
import { type Raster, whole } from "../Raster.ts"
import { messageOf } from "../../SystemError.ts"
import type { Decode, Encode, Means, Problem } from "./Decoding.ts"
import * as ErrorKind from "../../ErrorKind.ts"

export interface Asked {
  readonly number: number
  readonly asked: Decode | Encode
}

export type Answer =
  | { readonly type: "decoded"; readonly raster: Raster }
  | { readonly type: "encoded"; readonly bytes: Uint8Array }
  | { readonly type: "problem"; readonly kind: Problem["kind"]; readonly detail: string }
  | NoWorker

/** There is no worker: what is wrong is how the program was built or deployed, whatever the picture. */
interface NoWorker {
  readonly type: "no worker"
  readonly detail: string
}

interface Answered {
  readonly number: number
  readonly answer: Answer
}

export interface WorkerCodecOptions {
  /**
   * Makes the worker out of the module `effect-segformer/image/worker`, each time another; it may be one of
   * `node:worker_threads`. Bundlers that know `new Worker(new URL(…, import.meta.url))` need none.
   */
  readonly worker?: BackgroundWorker.MakeWorker | undefined
}

/** As bundlers look for it. */
const makeWorker = () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" })

/** The same module where it is no bundle: Node has workers of another kind. */
const beside = "./worker.ts"

/** Bytes in a buffer of their own: a message copies the whole of what they are a part of. */
const apart = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)

export const make = Effect.fnUntraced(function* (
  means: Means,
  options: WorkerCodecOptions
): Effect.fn.Return<ImageCodec["Service"], never, Scope.Scope> {
  const turns = yield* Semaphore.make(1)
  let worker: BackgroundWorker.BackgroundWorker | undefined
  let asked = 0
  let waiting: { readonly number: number; readonly done: (answer: Answer) => void } | undefined

  const end = (): Effect.Effect<void> =>
    Effect.suspend(() => {
      const ended = worker
      worker = undefined
      waiting = undefined
      return ended === undefined ? Effect.void : Effect.promise(() => ended.end())
    })
  yield* Effect.addFinalizer(end)

  const broke =
    (from: () => BackgroundWorker.BackgroundWorker | undefined) => (detail: string, isThere: boolean) => {
      if (worker === undefined || worker !== from()) return
      const done = waiting?.done
      worker = undefined
      waiting = undefined
      done?.(
        isThere
          ? { type: "problem", kind: "broken", detail: `its decoder ended (${detail})` }
          : { type: "no worker", detail }
      )
    }
  const start = (): BackgroundWorker.BackgroundWorker => {
    let own: BackgroundWorker.BackgroundWorker | undefined
    const plain = typeof Worker === "function" ? makeWorker : new URL(beside, import.meta.url)
    own = BackgroundWorker.start<Answered>(
      options.worker ?? plain,
      { module: BackgroundWorker.modules.codec },
      {
        message: ({ answer, number }) => {
          if (waiting?.number !== number) return
          const { done } = waiting
          waiting = undefined
          own?.keepAlive(false)
          done(answer)
        },
        broken: broke(() => own)
      }
    )
    return own
  }

  const ask = (message: Decode | Encode): Effect.Effect<Answer> =>
    turns.withPermit(
      Effect.callback<Answer>((resume) => {
        const number = asked++
        try {
          worker ??= start()
          waiting = { number, done: (answer) => resume(Effect.succeed(answer)) }
          worker.keepAlive(true)
          // Bytes and pixels are the caller's still: they are copied, with all that they are a part of.
          worker.post({ number, asked: message } satisfies Asked, [])
        } catch (cause) {
          resume(Effect.succeed({ type: "no worker", detail: messageOf(cause) }))
        }
        return end()
      })
    )

  const failed = (
    source: string,
    format: string,
    problem: Extract<Answer, { readonly detail: string }>
  ): CodecError => {
    if (problem.type === "no worker")
      return new CodeNotLoaded({ detail: BackgroundWorker.notStarted("codec", problem.detail) })
    const { detail, kind } = problem
    return kind === "missing"
      ? new DependencyMissing({
          packages: ["@jsquash/jpeg"],
          purpose: "Decoding and encoding JPEG here",
          detail
        })
      : kind === "broken"
        ? new NotAnImage({ source, detail })
        : new UnsupportedImage({ source, format, detail })
  }

  const decode = Effect.fnUntraced(function* (
    image: Image,
    options?: DecodeOptions
  ): Effect.fn.Return<Raster, CodecError> {
    const { format, height, orientation, page = 1, source, width } = image
    const channels = options?.channels ?? 3
    yield* within(source, "pixels", width * height, options?.maxPixels ?? Infinity)
    if (image.pixels !== undefined) {
      const raster = yield* image.pixels
      if (raster.channels === channels) return raster
    }
    const bytes = apart(yield* image.bytes)
    const { stretch } = options ?? {}
    const sizes = { width, height, orientation, page, channels, stretch }
    const answer = yield* ask({ type: "decode", means, bytes, format, ...sizes })
    if (answer.type === "decoded") return answer.raster
    return yield* "detail" in answer ? failed(source, format, answer) : Effect.die(answer)
  })

  const encode = Effect.fnUntraced(function* (
    raster: Raster,
    format: "png" | "jpeg" | "webp",
    options?: EncodeOptions
  ): Effect.fn.Return<Uint8Array, CodecError> {
    ErrorKind.oneOf("ImageCodec.encode", "format", format, ["png", "jpeg", "webp"])
    const source = `picture of ${raster.width} x ${raster.height}`
    yield* whole(source, raster)
    const own = { ...raster, data: apart(raster.data) }
    const answer = yield* ask({ type: "encode", means, raster: own, format, quality: options?.quality ?? 90 })
    if (answer.type === "encoded") return answer.bytes
    return yield* "detail" in answer ? failed(source, format, answer) : Effect.die(answer)
  })

  return ImageCodec.of({ decode, encode })
})
