/**
 * Models without a file system: the one in this package by its own address, one of the web, or what a program has in
 * memory. Where there is a file system, `ModelSource` of `effect-segformer/onnx` does for `SegFormerWeb` as well.
 *
 * ```ts
 * import { WebModel } from "effect-segformer/onnx/web"
 *
 * WebModel.url("https://models.example/panels/").name // => "panels"
 * WebModel.hub("Xenova/segformer-b0-finetuned-ade-512-512").name // => "Xenova/segformer-b0-finetuned-ade-512-512"
 * ```
 */
import { Clock, Effect } from "effect"
import { Headers, HttpClient } from "effect/http"
import * as Policy from "../../policy/Policy.ts"
import type { PolicyError } from "../../policy/PolicyError.ts"
import * as PolicyRunner from "../../policy/PolicyRunner.ts"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import * as Body from "../../service/Body.ts"
import { Platform } from "../../service/BodyPlatform.ts"
import * as ContentRange from "../../service/ContentRange.ts"
import * as ConnectionError from "../../service/ConnectionError.ts"
import { parseBaseUrl } from "../../service/Exchange.ts"
import { ofHead } from "../../service/HeadError.ts"
import { nothing } from "../../service/Hiding.ts"
import {
  ConnectionFailed,
  type InvalidUrl,
  ResponseNotDecodable,
  type ServiceError
} from "../../service/ServiceError.ts"
import * as Model from "../Model.ts"
import * as WeightFiles from "../WeightFiles.ts"
import { messageOf } from "../../SystemError.ts"

/** Reads a file of the model; `undefined` where there is none. */
type Read<R, E = Failure> = (address: string, maxBytes: number) => Effect.Effect<Uint8Array | undefined, E, R>

type Failure = ModelNotLoadable | ServiceError

/** A protobuf can hold no more, nor can the memory of WebAssembly. */
const maxModelBytes = 2 * 1024 ** 3

const maxTextBytes = 16 * 1024 * 1024

/** As everywhere: after 1, 2 and 4 seconds. A large file takes the time it takes. */
const policy = Policy.make({ attemptTimeout: false, breaker: false, retryBudget: false })

/** The addresses of a model's files. */
interface Addresses {
  /** Most likely first. */
  readonly models: ReadonlyArray<string>
  readonly config: string
  readonly preprocessor: string
}

const open = <R>(
  name: string,
  addresses: Addresses,
  read: Read<R>
): Effect.Effect<Model.Model, Model.ModelError, R> =>
  Effect.scoped(
    Effect.flatMap(PolicyRunner.make({ service: name, policy }), ({ run }) =>
      opened(name, addresses, (address, maxBytes) =>
        Effect.map(
          run(() => read(address, maxBytes)),
          ({ value }) => value
        )
      )
    )
  )

const opened = Effect.fnUntraced(function* <R>(
  name: string,
  { config, models, preprocessor }: Addresses,
  read: Read<R, Failure | PolicyError>
): Effect.fn.Return<Model.Model, Model.ModelError, R> {
  const fail = (detail: string) => new ModelNotLoadable({ model: name, detail })
  const first = Effect.gen(function* () {
    for (const address of models) {
      const bytes = yield* read(address, maxModelBytes)
      if (bytes !== undefined) return { address, bytes }
    }
    return undefined
  })
  const [found, ...texts] = yield* Effect.all(
    [first, read(config, maxTextBytes), read(preprocessor, maxTextBytes)],
    { concurrency: 3 }
  )
  if (found === undefined) return yield* fail(`there is nothing at ${models.join(", nor at ")}`)
  const { address: model, bytes } = found
  const wrong = WeightFiles.notAModel(bytes)
  if (wrong !== undefined) return yield* fail(`${model} ${wrong}`)
  const outside: Record<string, Uint8Array> = {}
  for (const file of WeightFiles.outside(bytes)) {
    const path = file.split("/").map(encodeURIComponent).join("/")
    const address = model.replace(/[^/?#]*(?=$|[?#])/, () => path)
    const data = yield* read(address, maxModelBytes)
    if (data === undefined)
      return yield* fail(`${model} has its weights in ${file}, and there is nothing at ${address}`)
    const other = WeightFiles.notTheFile(data)
    if (other !== undefined)
      return yield* fail(`${model} has its weights in ${file}, and ${address} ${other}`)
    outside[file] = data
  }
  const [configText, preprocessorText] = texts.map((text, index) =>
    text === undefined
      ? undefined
      : { name: index === 0 ? config : preprocessor, text: new TextDecoder().decode(text) }
  )
  if (configText === undefined) return yield* fail(`there is no ${config}`)
  if (preprocessorText === undefined) return yield* fail(`there is no ${preprocessor}`)
  return yield* Model.make(
    { name, file: model, bytes, outside },
    { config: configText, preprocessor: preprocessorText }
  )
})

/** A model of the Hub or of a server of one's own may be asked for by a page of another host: no header of ours goes along. */
const fetched: Read<HttpClient.HttpClient> = (address, maxBytes) =>
  Effect.gen(function* () {
    const client = HttpClient.followRedirects(yield* HttpClient.HttpClient, 5)
    const service = Body.withoutQuery(address)
    const response = yield* client.get(address).pipe(
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.mapError((error) => ConnectionError.from(error, service, undefined, nothing))
    )
    if (response.status === 404) return undefined
    if (response.status >= 300) return yield* ofHead(service, response, yield* Clock.currentTimeMillis)
    const part = ContentRange.partOf(response.headers)
    if (part !== undefined) {
      return yield* new ResponseNotDecodable({
        service,
        status: response.status,
        path: "",
        detail: `a part of the file came (${part}), though all of it was asked for`,
        excerpt: ""
      })
    }
    return yield* Body.bytes(
      response,
      { maxBodyBytes: maxBytes, maxDecodedBytes: maxBytes },
      { service, requestId: undefined },
      yield* Platform
    )
  })

const notThere = (address: string, why: string) =>
  new ModelNotLoadable({
    model: "bundled",
    detail: `${address} cannot be read (${why}). A bundler puts it beside the program, or its address is given by WebModel.url`
  })

/** Files of this package: a page fetches them, and where they are files they are read. */
const beside: Read<never> = (address) =>
  Effect.flatMap(
    Effect.tryPromise({
      try: async (signal) => {
        if (address.startsWith("file:") && typeof process === "object") {
          const { readFile } = process.getBuiltinModule("node:fs/promises")
          return { bytes: await readFile(new URL(address)) }
        }
        const response = await fetch(address, { signal })
        return response.ok ? { bytes: new Uint8Array(await response.arrayBuffer()) } : { response }
      },
      catch: (cause): Failure =>
        // `fetch` says no more than that it did not succeed: of other addresses it never does.
        cause instanceof TypeError && /^https?:/.test(address)
          ? new ConnectionFailed({
              service: Body.withoutQuery(address),
              requestId: undefined,
              code: undefined,
              phase: "sending",
              sent: "maybe",
              detail: messageOf(cause)
            })
          : notThere(address, messageOf(cause))
    }),
    (found): Effect.Effect<Uint8Array, Failure> => {
      if (found.bytes !== undefined) return Effect.succeed(found.bytes)
      const { status, statusText } = found.response
      const head = { status, headers: Headers.fromInput(found.response.headers) }
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const failed = ofHead(Body.withoutQuery(address), head, now)
        return Effect.fail(failed.isRetryable ? failed : notThere(address, `${status} ${statusText}`.trim()))
      })
    }
  )

/** The model in this package: surface inspection, with the classes background, particle, scratch, stain, fiber and pit. */
export const bundled: Model.ModelSource = {
  name: "bundled",
  open: (variant) =>
    variant === "model" || variant === "fp32"
      ? open(
          "bundled",
          // Each address whole, as bundlers look for them.
          {
            models: [new URL("../bundled/onnx/model.onnx", import.meta.url).href],
            config: new URL("../bundled/config.json", import.meta.url).href,
            preprocessor: new URL("../bundled/preprocessor_config.json", import.meta.url).href
          },
          beside
        )
      : Effect.fail(
          new ModelNotLoadable({
            model: "bundled",
            detail: `it has no ${WeightFiles.named(variant).join(", nor ")}`
          })
        )
}

/** A folder of the web in the published layout: `config.json`, `preprocessor_config.json` and `onnx/model.onnx` below it. */
export const url = (address: string | URL): Model.ModelSource<HttpClient.HttpClient> => {
  const text = String(address)
  const path = Body.withoutQuery(text).replace(/\/+$/, "")
  return named(path.slice(path.lastIndexOf("/") + 1), text)
}

const named = (name: string, address: string): Model.ModelSource<HttpClient.HttpClient> => ({
  name,
  open: Effect.fnUntraced(function* (variant): Effect.fn.Return<
    Model.Model,
    Model.ModelError | InvalidUrl,
    HttpClient.HttpClient
  > {
    // Relative to the page, where there is one.
    const base = yield* parseBaseUrl(globalThis.location === undefined ? address : absolute(address))
    const at = (file: string) => {
      const own = new URL(base)
      own.pathname = `${own.pathname.replace(/\/+$/, "")}/${file}`
      return own.href
    }
    return yield* open(
      name,
      {
        models: WeightFiles.named(variant).map(at),
        config: at("config.json"),
        preprocessor: at("preprocessor_config.json")
      },
      fetched
    )
  })
})

const absolute = (address: string): string =>
  URL.canParse(address, globalThis.location.href) ? new URL(address, globalThis.location.href).href : address

export interface WebHubOptions {
  /** A branch, tag or commit. `main` by default. */
  readonly revision?: string | undefined
  /** A mirror. `https://huggingface.co` by default. */
  readonly endpoint?: string | undefined
}

/** A model of the Hugging Face Hub, such as `Xenova/segformer-b0-finetuned-ade-512-512`, by its address. */
export const hub = (id: string, options: WebHubOptions = {}): Model.ModelSource<HttpClient.HttpClient> => {
  const { endpoint = "https://huggingface.co", revision = "main" } = options
  return named(id, `${endpoint.replace(/\/+$/, "")}/${id}/resolve/${encodeURIComponent(revision)}`)
}

/** The files of a model, as a program has them in memory. */
export interface ModelFiles {
  /** What errors and descriptions call it. */
  readonly name: string
  /** The `.onnx` file. */
  readonly model: Uint8Array
  /** The files that hold its weights, where it has them beside it, by their names. */
  readonly outside?: Model.Outside | undefined
  /** The text of `config.json`, which names the classes. */
  readonly config?: string | undefined
  /** The text of `preprocessor_config.json`. */
  readonly preprocessor?: string | undefined
}

/** A model that is in memory already. */
export const bytes = ({ config, model, name, outside, preprocessor }: ModelFiles): Model.ModelSource => ({
  name,
  open: () => {
    const wrong =
      WeightFiles.notAModel(model) ??
      Object.entries(outside ?? {}).flatMap(([file, data]) => {
        const other = WeightFiles.notTheFile(data)
        return other === undefined ? [] : [`has its weights in ${file}, which ${other}`]
      })[0]
    const text = (file: string, text: string | undefined) => text && { name: file, text }
    return wrong === undefined
      ? Model.make(
          { name, file: name, bytes: model, outside },
          {
            config: text("config.json", config) || undefined,
            preprocessor: text("preprocessor_config.json", preprocessor) || undefined
          }
        )
      : Effect.fail(new ModelNotLoadable({ model: name, detail: `it ${wrong}` }))
  }
})
