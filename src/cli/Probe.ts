/** `segformer probe`, at work. */
import { Duration, Effect, Layer } from "effect"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Probe from "../http/Probe.ts"
import * as SegFormerConfig from "../http/SegFormerConfig.ts"
import * as ImageSource from "../image/ImageSource.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import type { Options } from "./ProbeCommand.ts"
import * as Screen from "./Screen.ts"

const milliseconds = (duration: Duration.Duration): string => `${Duration.toMillis(duration).toFixed(1)} ms`

/** What was found, a line each. */
const lines = (finding: Probe.Finding): ReadonlyArray<string> => {
  const { certainty, classes, health, latency, limits, model, needsKey, protocol, requests, sample } = finding
  const names = classes.map(({ name }) => name)
  return [
    `address   ${finding.url}`,
    `protocol  ${protocol ?? "none that is known here"}${certainty === "likely" ? " (likely)" : ""}`,
    `ready     ${health.healthy ? "yes" : "no"}: ${health.detail}`,
    ...(model === undefined ? [] : [`model     ${model}`]),
    ...(names.length === 0 ? [] : [`classes   ${names.length} (${Screen.some(names)})`]),
    ...(limits.length === 0 ? [] : [`takes     ${limits.join("; ")}`]),
    ...(needsKey ? ["key       it asks for one: set SEGFORMER_API_KEY"] : []),
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

const platform = Layer.mergeAll(NodeHttpClient.layerUndici, NodeFileSystem.layer, Backend.layerCodec)

/** Says what is at the address; fails with code 3 unless it can segment now. */
export const run = (options: Options): Effect.Effect<void, ExitCode.Ended> =>
  Effect.gen(function* () {
    const { apiKey } = yield* Effect.mapError(SegFormerConfig.load, ExitCode.by(ExitCode.usage))
    const image = options.image === undefined ? undefined : ImageSource.file(options.image)
    // Of one's own file, before a service is asked for anything.
    if (image !== undefined) yield* Effect.mapError(image.open(), ExitCode.by(ExitCode.usage))
    const finding = yield* Probe.probe(options.url, {
      apiKey,
      model: options.model,
      image
    }).pipe(
      Effect.mapError((error) =>
        ExitCode.by(error._tag === "InvalidUrl" ? ExitCode.usage : ExitCode.unavailable)(error)
      )
    )
    if (options.json) {
      yield* Screen.say(JSON.stringify(toJson(finding)))
    } else {
      yield* Effect.forEach(lines(finding), (line) => Screen.say(Screen.plain(line)), { discard: true })
      if (finding.layer !== undefined) yield* Screen.say(`\n${finding.layer}`)
    }
    if (!finding.health.healthy) return yield* new ExitCode.Ended({ code: ExitCode.unavailable })
  }).pipe(Effect.provide(platform))
