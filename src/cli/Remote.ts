/** A service as a command line, a settings file and the environment say it, and the way there. */
import { readFile } from "node:fs/promises"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { type Config, type Context, Duration, Effect, Layer, Redacted, Schedule, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import * as SegFormerConfig from "../http/SegFormerConfig.ts"
import * as Barred from "../http/Barred.ts"
import * as SegFormerHttp from "../http/SegFormerHttp.ts"
import * as ServiceSettings from "../http/ServiceSettings.ts"
import * as ServiceVariables from "../http/ServiceVariables.ts"
import type { ImageCodec } from "../image/ImageCodec.ts"
import { TimedOut } from "../policy/PolicyError.ts"
import * as Variable from "../policy/Variable.ts"
import * as NodeHttp from "../service/NodeHttp.ts"
import type { NodeProxyOptions } from "../service/NodeProxy.ts"
import type { Transport } from "../Transport.ts"
import * as ExitCode from "./ExitCode.ts"
import { messageOf } from "../SystemError.ts"

/** The way to whoever is asked. */
export interface WayOptions {
  /** An address, or `off`. */
  readonly proxy?: string | undefined
  /** A file of certificates. */
  readonly ca?: string | undefined
}

export interface RemoteOptions extends WayOptions {
  readonly url?: string | undefined
  /** A settings file. */
  readonly service?: string | undefined
  /** Settings that were read elsewhere. */
  readonly settings?: ServiceSettings.ServiceSettings | undefined
  /** Such as `X-Tenant: a`. */
  readonly header?: ReadonlyArray<string> | undefined
  /** A name, or a file. */
  readonly palette?: string | undefined
  readonly timeout?: Duration.Duration | undefined
  readonly atOnce?: number | undefined
}

const unavailable = ExitCode.by(ExitCode.unavailable)
const unusable = ExitCode.by(ExitCode.usage)
const misconfigured = (error: Variable.InvalidConfig | Config.ConfigError) =>
  ExitCode.wrong(`the configuration is not usable: ${Variable.wordsOf(error)}`)

/** The proxies and authorities of this way. */
export const wayOf = Effect.fnUntraced(function* ({
  ca,
  proxy
}: WayOptions): Effect.fn.Return<NodeProxyOptions, ExitCode.Ended> {
  if (proxy !== undefined && proxy !== "off" && !/^(https?:\/\/)?[^/\s]+$/i.test(proxy))
    return yield* ExitCode.wrong("--proxy takes an address such as http://proxy:3128, or off")
  return {
    ca: ca === undefined ? undefined : yield* certificates(ca),
    proxy: proxy === undefined ? undefined : proxy === "off" ? false : Redacted.make(proxy)
  }
})

/** A client by this way, with the size of its pool as the environment has it. */
export const client = (way: WayOptions): Layer.Layer<HttpClient.HttpClient, ExitCode.Ended> =>
  Layer.unwrap(
    Effect.map(Effect.all([wayOf(way), Effect.mapError(NodeHttp.config, misconfigured)]), ([found, config]) =>
      NodeHttp.layer({ ...config, ...found })
    )
  )

const certificates = (path: string): Effect.Effect<string, ExitCode.Ended> =>
  Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause) => ExitCode.wrong(`cannot read --ca ${path}: ${messageOf(cause)}`)
  }).pipe(
    Effect.filterOrFail(
      (text) => text.includes("-----BEGIN CERTIFICATE-----"),
      () =>
        ExitCode.wrong(
          `there is no certificate in --ca ${path}: it takes PEM, which begins with -----BEGIN CERTIFICATE-----`
        )
    )
  )

/** `Name: value`, as `curl` takes it. What is wrong with one is said without its value. */
export const headers = (
  given: ReadonlyArray<string>
): Effect.Effect<Readonly<Record<string, Redacted.Redacted>>, ExitCode.Ended> =>
  Effect.map(
    Effect.forEach(given, (text, index) => {
      const [, name, value] = /^\s*([\w!#$%&'*+.^`|~-]+)\s*:\s*([\x20-\x7e\x80-\xff]*?)\s*$/.exec(text) ?? []
      return name === undefined || value === undefined
        ? Effect.fail(ExitCode.wrong(`the ${index + 1}. --header is none: write it as "Name: value"`))
        : Effect.succeed([name.toLowerCase(), Redacted.make(value)] as const)
    }),
    Object.fromEntries
  )

const fromDisk = Effect.provide(NodeFileSystem.layer)

/** The settings of a file, with the palette of a command line or of a file that the environment names. */
export const settingsOf = Effect.fnUntraced(function* (
  options: RemoteOptions
): Effect.fn.Return<ServiceSettings.ServiceSettings, ExitCode.Ended> {
  const settings: ServiceSettings.ServiceSettings = {
    ...options.settings,
    ...(options.service === undefined
      ? {}
      : yield* Effect.mapError(fromDisk(ServiceSettings.load(options.service)), misconfigured))
  }
  const named = yield* Variable.text(ServiceVariables.variables.palette.name)
  const palette =
    options.palette ??
    (settings.palette === undefined &&
    settings.protocol === undefined &&
    named !== undefined &&
    !/^\s*[[{]/.test(named)
      ? named
      : undefined)
  if (palette === undefined) return settings
  const colors = yield* Effect.mapError(fromDisk(ServiceSettings.readPalette(palette)), (detail) =>
    ExitCode.wrong(`--palette ${detail}`)
  )
  return { ...settings, palette: colors }
})

/** What a transport is made of. */
const optionsOf = Effect.fnUntraced(function* (
  options: RemoteOptions
): Effect.fn.Return<SegFormerHttp.SegFormerHttpOptions, ExitCode.Ended, ImageCodec> {
  const settings = yield* settingsOf(options)
  const own = yield* headers(options.header ?? [])
  return yield* Effect.mapError(
    SegFormerConfig.configWith({
      ...(options.url === undefined ? {} : { baseUrl: options.url }),
      settings,
      headers: own,
      policy: {
        ...(options.timeout === undefined ? {} : { attemptTimeout: options.timeout }),
        ...(options.atOnce === undefined ? {} : { concurrency: options.atOnce })
      }
    }),
    misconfigured
  )
})

/** Answers that a health route may give while the route of images is well: whoever gives them has, or shows, no such route. */
const silent = new Set([
  "NotFound",
  "ResponseNotDecodable",
  "RequestRejected",
  "Unauthorized",
  "RedirectRefused"
])

export interface Remote {
  readonly transport: Transport["Service"]
  /** Where it is. */
  readonly url: string
  /** What it says of itself, and whether that is anything. */
  readonly health: { readonly healthy: boolean; readonly detail: string }
  /** Whether it has said nothing of its health. */
  readonly isSilent: boolean
  readonly options: SegFormerHttp.SegFormerHttpOptions
  readonly client: Context.Context<HttpClient.HttpClient>
}

type NotSaid = Effect.Error<Transport["Service"]["health"]>

const isSilence = ({ _tag }: NotSaid): boolean => silent.has(_tag)

/** Somebody is there, and too busy to say how it is: the route of images has attempts for that. */
const isBusy = (error: NotSaid): boolean =>
  isSilence(error) || (error.isTransient && !("sent" in error && error.sent === "no"))

/** The time of a question is nobody's to raise. */
const inWords = (error: { readonly _tag: string; readonly message: string }): { readonly message: string } =>
  error instanceof TimedOut
    ? {
        message: `Cannot reach ${error.service}: it takes connections, and answers no question within ${Duration.format(error.after)}. Is it still starting, and is this its port?`
      }
    : error

/** The service, asked how it is. Fails where nobody is there, or for what of its answers is not taken for silence. */
export const connect = Effect.fnUntraced(function* (
  options: RemoteOptions,
  isNothing: (error: NotSaid) => boolean = isSilence
): Effect.fn.Return<Remote, ExitCode.Ended, Scope.Scope | ImageCodec> {
  const context = yield* Layer.build(client(options))
  const made = yield* optionsOf(options)
  const transport = yield* SegFormerHttp.make(made).pipe(
    Effect.provideContext(context),
    Effect.mapError(unusable)
  )
  const asked = yield* Effect.result(transport.health)
  if (asked._tag === "Failure" && !isNothing(asked.failure)) return yield* unavailable(inWords(asked.failure))
  return {
    transport,
    url: made.baseUrl,
    health:
      asked._tag === "Success"
        ? asked.success
        : { healthy: true, detail: `it does not say how it is (${asked.failure.message})` },
    isSilent: asked._tag === "Failure",
    options: made,
    client: context
  }
})

/**
 * The transport, once the service has said that it is well, or nothing of it. One that is starting is asked as often as an
 * image would be.
 */
export const make = Effect.fnUntraced(function* (
  options: RemoteOptions
): Effect.fn.Return<Transport["Service"], ExitCode.Ended, Scope.Scope | ImageCodec> {
  const { health, transport, url } = yield* connect(options, isBusy)
  if (health.healthy) return transport
  const { delay, factor, times } = transport.runner.policy.retry
  const again = Effect.orElseSucceed(transport.health, () => health).pipe(
    Effect.filterOrFail(
      ({ healthy }) => healthy,
      ({ detail }) => unavailable({ message: `${url} is up, but cannot segment: ${detail}` })
    )
  )
  if (times === 0) return yield* Effect.as(again, transport)
  yield* Effect.sleep(delay)
  yield* Effect.retry(again, {
    schedule: Schedule.exponential(Duration.times(delay, factor), factor),
    times: times - 1
  })
  return transport
})

/** Why the service would take no image of this caller; `undefined` where nothing speaks against it. */
export const barred = (remote: Remote): Effect.Effect<string | undefined, ExitCode.Ended, Scope.Scope> =>
  Barred.barred(remote.options, { isSilent: remote.isSilent }).pipe(
    Effect.provideContext(remote.client),
    Effect.map((found) => found?.detail),
    Effect.mapError((error) => unavailable(inWords(error)))
  )
