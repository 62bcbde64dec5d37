/** `segformer probe`, at work. */
import { Duration, Effect, Layer } from "effect"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as WholeFile from "../files/WholeFile.ts"
import * as Probe from "../http/Probe.ts"
import * as ProbeWords from "../http/ProbeWords.ts"
import * as SegFormerConfig from "../http/SegFormerConfig.ts"
import * as ServiceSettings from "../http/ServiceSettings.ts"
import * as ImageSource from "../image/ImageSource.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import type { Options } from "./ProbeCommand.ts"
import * as Remote from "./Remote.ts"
import * as Screen from "./Screen.ts"

const milliseconds = (duration: Duration.Duration): string => `${Duration.toMillis(duration).toFixed(1)} ms`

/** What was found, a line each. */
const lines = (finding: Probe.Finding): ReadonlyArray<string> => {
  const {
    certainty,
    classes,
    health,
    key,
    lacks,
    latency,
    limits,
    model,
    protocol,
    requests,
    sample,
    signs
  } = finding
  const names = classes.map(({ name }) => name)
  return [
    `address   ${finding.url}`,
    `protocol  ${protocol ?? "none that is known here"}${certainty === undefined || certainty === "sure" ? "" : ` (${certainty})`}`,
    ...(signs.length === 0 ? [] : [`because   ${signs.join("; ")}`]),
    `ready     ${health.healthy ? "yes" : "no"}: ${health.detail}`,
    ...(model === undefined ? [] : [`model     ${model}`]),
    ...(names.length === 0 ? [] : [`classes   ${names.length} (${Screen.some(names)})`]),
    ...(limits.length === 0 ? [] : [`takes     ${limits.join("; ")}`]),
    ...(lacks === undefined ? [] : [`lacks     ${lacks}`]),
    ...(key === undefined || key === health.detail ? [] : [`key       ${key}`]),
    `latency   ${milliseconds(latency)}, by ${requests} requests`,
    ...(sample === undefined ? [] : [`image     ${sample.detail}, in ${milliseconds(sample.duration)}`])
  ]
}

const toJson = (finding: Probe.Finding) => ({
  ...finding,
  latency: Duration.toMillis(finding.latency),
  ...(finding.sample === undefined
    ? {}
    : { sample: { ...finding.sample, duration: Duration.toMillis(finding.sample.duration) } })
})

/** Why there is nothing to write. */
const missing = ({ protocol, sample, settings }: Probe.Finding): string | undefined =>
  settings !== undefined
    ? undefined
    : sample?.refused === true
      ? "an image that was sent so was refused"
      : protocol === undefined
        ? "it speaks no protocol known here"
        : "its route for images is not known"

/** Settings to a file, whole or not at all. */
const write = (path: string, settings: ServiceSettings.ServiceSettings) =>
  WholeFile.writeAll([{ path, bytes: new TextEncoder().encode(ServiceSettings.render(settings)) }]).pipe(
    Effect.mapError(({ reason }) => ExitCode.notWritten({ path, reason })),
    Effect.provide(NodeFileSystem.layer)
  )

/** Says what is at the address; fails with code 3 unless it can segment now. */
export const run = (options: Options): Effect.Effect<void, ExitCode.Ended> =>
  Effect.gen(function* () {
    // What the environment says of a protocol is not for an address whose protocol is to be found out.
    const config = yield* Effect.mapError(
      SegFormerConfig.loadFor({ baseUrl: options.url, protocol: "probe" }),
      ExitCode.by(ExitCode.usage)
    )
    const { keyHeader } = config
    const own = yield* Remote.headers(options.header)
    const image = options.image === undefined ? undefined : ImageSource.file(options.image)
    // Of one's own file, before a service is asked for anything.
    if (image !== undefined) yield* Effect.mapError(image.open(), ExitCode.by(ExitCode.usage))
    const finding = yield* Probe.probe(options.url, {
      apiKey: keyHeader === undefined ? config.apiKey : undefined,
      headers: {
        ...config.headers,
        ...(keyHeader === undefined || config.apiKey === undefined ? {} : { [keyHeader]: config.apiKey }),
        ...own
      },
      model: options.model ?? config.model,
      image
    }).pipe(
      Effect.mapError((error) =>
        ExitCode.by(error._tag === "InvalidUrl" ? ExitCode.usage : ExitCode.unavailable)({
          message: ProbeWords.ofFailure(error)
        })
      )
    )
    if (options.json) {
      yield* Screen.say(JSON.stringify(toJson(finding)))
    } else {
      yield* Effect.forEach(lines(finding), (line) => Screen.say(Screen.plain(line)), { discard: true })
      if (finding.layer !== undefined) yield* Screen.say(`\n${finding.layer}`)
      if (finding.byHand !== undefined)
        yield* Screen.say(
          Screen.plain(
            "Is it yours? Write this by hand to a file for --service, with its own path, the part of its form, and where its answer has the mask:"
          ) + `\n${ServiceSettings.render(finding.byHand)}`
        )
    }
    if (options.write !== undefined) {
      const why = missing(finding)
      if (finding.settings === undefined) {
        return yield* ExitCode.by(ExitCode.unavailable)({
          message: `${options.write} is not written: ${why}`
        })
      }
      const settings = keyHeader === undefined ? finding.settings : { ...finding.settings, keyHeader }
      yield* write(options.write, settings)
      if (!options.json)
        yield* Screen.say(
          `\nWritten to ${Screen.plain(options.write)}: segformer segment --service ${Screen.plain(options.write)} IMAGE`
        )
    }
    if (!finding.health.healthy) return yield* new ExitCode.Ended({ code: ExitCode.unavailable })
  }).pipe(Effect.provide(Layer.mergeAll(Remote.client(options), NodeFileSystem.layer, Backend.layerCodec)))
