/** `segformer serve`, at work: segmenters behind a socket until the process is told to stop. */
import { readFile, stat } from "node:fs/promises"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Config, Duration, Effect, type FileSystem, Layer, Redacted, Result, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { ImageCodec } from "../image/ImageCodec.ts"
import { Companions, Dialects, SegFormerServer, Telemetry } from "../server/index.ts"
import * as Security from "../server/Security.ts"
import * as AddressGuard from "../service/AddressGuard.ts"
import { Transport } from "../Transport.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"
import * as ServeAnnotation from "./ServeAnnotation.ts"
import type { Options } from "./ServeCommand.ts"
import * as Screen from "./Screen.ts"
import { messageOf } from "../SystemError.ts"

/** Serves until it is interrupted, then drains. */
export const run = (options: Options): Effect.Effect<never, ExitCode.Ended> =>
  Effect.scoped(serve(options)).pipe(
    Effect.onInterrupt(() =>
      ExitCode.stop.served ? Effect.void : Screen.stopped(" before it was ready: nothing was served")
    ),
    // Outermost, so that the last requests' traces go out too.
    Effect.provide(
      Layer.provideMerge(
        Telemetry.layer,
        Layer.mergeAll(
          Backend.layerCodec,
          Backend.layerHttpClient(options),
          NodeFileSystem.layer,
          Screen.layerLog
        )
      )
    ),
    Effect.catchTag("ConfigError", ({ message }) =>
      Effect.fail(
        ExitCode.wrong(
          `the environment does not say where to send telemetry: ${message.replaceAll(/\s+/g, " ")}`
        )
      )
    )
  )

const serve = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<
  never,
  ExitCode.Ended,
  ImageCodec | FileSystem.FileSystem | HttpClient.HttpClient | Scope.Scope
> {
  const { cache, drain, jobs, noPage, protocol, timeout, ...given } = options
  const rest = { ...given, confidence: options.confidence ?? true }
  const pictures = yield* foundFolder(options)
  const dialects = yield* Effect.mapError(
    Dialects.load(protocol, { pictures, ...(yield* ServeAnnotation.optionsOf(options)) }),
    ExitCode.by(ExitCode.usage)
  )
  const [first, ...others] = yield* Effect.fromResult(named(options.model))
  const tokens = yield* loadTokens(options.tokenFile)
  const companions = yield* Companions.make().pipe(Effect.mapError(ExitCode.by(ExitCode.usage)))
  // Before a model is loaded for nothing.
  const allowFrom = Flags.listOf(options.allowFrom)
  yield* Effect.mapError(
    Security.check(options.host, { ...options, allowFrom, tokens, authorize: companions.authorize }),
    ExitCode.by(ExitCode.usage)
  )
  const name = options.name ?? (first?.isGiven === true ? first.name : undefined)
  const transport = yield* Backend.make({ ...rest, model: first?.model })
  const more = others.map(({ model, name }) => [
    name,
    Layer.effect(Transport, Backend.make({ ...rest, model }))
  ])
  const models: Readonly<Record<string, Layer.Layer<Transport, ExitCode.Ended, ImageCodec>>> =
    Object.fromEntries(more)
  const server = yield* SegFormerServer.make({
    ...rest,
    name,
    models,
    dialects,
    tokens,
    authorize: companions.authorize,
    allowFrom,
    cors: Flags.listOf(options.cors),
    trustProxy: Flags.listOf(options.trustProxy),
    active: companions.active,
    jobs: { folder: jobs, onEnd: companions.jobEnded },
    page: !noPage,
    maxCacheBytes: cache,
    timeout: Duration.seconds(timeout),
    drain: Duration.seconds(drain)
  }).pipe(
    Effect.provideService(Transport, transport),
    Effect.mapError((error) =>
      error._tag === "Ended"
        ? error
        : ExitCode.by(
            error._tag === "InvalidOrigin" || error._tag === "InvalidProxy" || error._tag === "InvalidAddress"
              ? ExitCode.usage
              : ExitCode.unavailable
          )(error)
    )
  )
  const names = [name ?? transport.name, ...others.map((other) => other.name)].join(", ")
  const page = noPage ? "" : `page: ${server.url}/, `
  yield* Effect.logInfo(
    `Serving ${names} at ${server.url} (${protocol.join(", ")}); ${page}API: ${server.url}/docs`
  )
  const isLoopback = AddressGuard.isLoopback(options.host)
  // All addresses are an address to listen at, and none to ask.
  const found = /^(?:0\.0\.0\.0|::)$/.test(options.host) ? `http://127.0.0.1:${server.port}` : server.url
  const listening = { url: found, port: server.port, isLoopback }
  for (const line of new Set(dialects.flatMap(({ notice }) => notice?.(listening) ?? [])))
    yield* Effect.logInfo(line)
  ExitCode.stop.served = true
  return yield* Effect.onInterrupt(Effect.never, () =>
    Effect.logInfo(`Stopping: no new requests; those under way have ${drain} s to finish`)
  )
})

/** The folder of pictures, where one is given and asked for. */
const foundFolder = ({ pictures }: Options): Effect.Effect<string | undefined, ExitCode.Ended> => {
  if (pictures === undefined) return Effect.succeed(undefined)
  return Effect.tryPromise(() => stat(pictures)).pipe(
    Effect.mapError(() => ExitCode.wrong(`there is no folder ${pictures}`)),
    Effect.flatMap((found) =>
      found.isDirectory() ? Effect.succeed(pictures) : Effect.fail(ExitCode.wrong(`${pictures} is no folder`))
    )
  )
}

interface Named {
  readonly name: string
  readonly isGiven: boolean
  readonly model: string
}

/** `NAME=MODEL` as it is; a model alone goes by its last part: `b5` for `./models/b5` and `acme/b5`. */
const named = (models: ReadonlyArray<string>): Result.Result<ReadonlyArray<Named>, ExitCode.Ended> => {
  const all = models.map((text): Named => {
    const [, name, model] = /^([\w.-]+)=(.+)$/.exec(text) ?? []
    if (name !== undefined && model !== undefined) return { name, isGiven: true, model }
    const last = text.split(/[\\/]/).findLast((part) => part !== "") ?? text
    return { name: last.replace(/\.onnx$/, ""), isGiven: false, model: text }
  })
  const twice = all.find(({ name }, index) => all.findIndex((other) => other.name === name) < index)
  return twice === undefined
    ? Result.succeed(all)
    : Result.fail(
        ExitCode.wrong(
          `two models are called ${twice.name}: say what they are called, as in --model large=./b5`
        )
      )
}

/** The tokens of the file and of the environment. */
const loadTokens = Effect.fnUntraced(function* (
  path: string | undefined
): Effect.fn.Return<ReadonlyArray<Redacted.Redacted>, ExitCode.Ended> {
  const given = yield* Effect.orElseSucceed(Config.Redacted("SEGFORMER_SERVE_TOKENS"), () =>
    Redacted.make("")
  )
  const text =
    path === undefined
      ? ""
      : yield* Effect.tryPromise({
          try: () => readFile(path, "utf8"),
          catch: (cause) => ExitCode.wrong(`cannot read the tokens in ${path}: ${messageOf(cause)}`)
        })
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith("#"))
  const tokens = [...lines, ...Redacted.value(given).split(",")].flatMap((token) => token.trim() || [])
  if (path !== undefined && tokens.length === 0) return yield* ExitCode.wrong(`there is no token in ${path}`)
  const bad = tokens.find((token) => /\s/.test(token))
  if (bad !== undefined) return yield* ExitCode.wrong("a token has no spaces in it; one of yours has")
  return tokens.map((token) => Redacted.make(token))
})
