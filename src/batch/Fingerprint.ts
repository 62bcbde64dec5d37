/**
 * What a run is made with, part by part in words: the model, the options of `segment`, the sinks. Results of different
 * models do not go together, so a run that is gone on with must have the fingerprint it was begun with.
 */
import { createHash } from "node:crypto"
import { Effect, Schema } from "effect"
import type { PolicyError } from "../policy/PolicyError.ts"
import type { SegmentOptions } from "../Segmenter.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import { type ModelDescription, Transport } from "../Transport.ts"
import type { Sink } from "./Sink.ts"

export const Fingerprint = Schema.Record(Schema.String, Schema.String)
export type Fingerprint = typeof Fingerprint.Type

export interface FingerprintOptions {
  readonly sinks: ReadonlyArray<Pick<Sink, "name" | "options">>
  readonly segment?: SegmentOptions | undefined
  /** More that results depend on and that only the caller knows: the digest of a model's file, say. */
  readonly more?: Readonly<Record<string, string>> | undefined
}

/** What the transport says of its model: of a service that does not describe it, its address and no classes. @internal */
export const described: Effect.Effect<
  Pick<ModelDescription, "name" | "classes">,
  ServiceError | PolicyError,
  Transport
> = Effect.gen(function* () {
  const transport = yield* Transport
  const { classes, name } = yield* Effect.catchIf(
    transport.describe,
    // One that cannot be asked now may yet tell.
    (error) => error.concerns !== "caller" && !error.isTransient,
    () => Effect.succeed({ name: transport.name, classes: [] })
  )
  return { name: name === "unknown" ? transport.name : name, classes }
})

/** The fingerprint of a run, which asks the transport for its model. */
export const make = Effect.fnUntraced(function* (
  options: FingerprintOptions
): Effect.fn.Return<Fingerprint, ServiceError | PolicyError, Transport> {
  return of(options, yield* described)
})

/** The fingerprint of a run with a model that is known. @internal */
export const of = (
  options: FingerprintOptions,
  { classes, name }: Pick<ModelDescription, "name" | "classes">
): Fingerprint => {
  const names = classes.map(({ id, name }) => `${id} ${name}`)
  return {
    ...options.more,
    model: name,
    classes: names.length <= 8 ? names.join(", ") : `${names.length} (${digest(names.join("\n"))})`,
    "other sizes": options.segment?.otherSize ?? "resize",
    ...Object.fromEntries(options.sinks.map(({ name, options }) => [`results "${name}"`, options]))
  }
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12)

/** What differs, each in words; empty where nothing does. */
export const changes = (before: Fingerprint, now: Fingerprint): ReadonlyArray<string> =>
  [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((part) => before[part] !== now[part])
    .map((part) => `${part} was ${before[part] ?? "not there"}, and is ${now[part] ?? "not there"}`)
