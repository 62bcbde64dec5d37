/**
 * Every name of telemetry, in one place: spans, attributes, and metrics with their units.
 *
 * Where OpenTelemetry's semantic conventions have a name it is theirs, with their unit and their buckets; what they have no
 * name for is under `segformer.*`. Spans are called by the function that they are of. docs/telemetry.md lists all of it.
 */
import { Cause, Effect, Metric, Result, type Tracer } from "effect"

/** Attributes of the semantic conventions: HTTP, URL, server, error. */
export const standard = {
  errorType: "error.type",
  method: "http.request.method",
  resendCount: "http.request.resend_count",
  status: "http.response.status_code",
  route: "http.route",
  address: "server.address",
  port: "server.port",
  url: "url.full",
  scheme: "url.scheme"
} as const

/** Attributes of our own. */
export const own = {
  attempt: "segformer.attempt",
  from: "segformer.circuit.from",
  to: "segformer.circuit.to",
  format: "segformer.image.format",
  height: "segformer.image.height",
  image: "segformer.image.name",
  width: "segformer.image.width",
  job: "segformer.job.id",
  model: "segformer.model",
  outcome: "segformer.outcome",
  path: "segformer.path",
  service: "segformer.service",
  sink: "segformer.sink",
  transport: "segformer.transport"
} as const

/** Spans: the function that each is of. Calls by a contract are called `SERVICE.GROUP.ENDPOINT` besides. */
export const spans = {
  "Batch.run": "a run over many images",
  "Download.file": "one file, resumed and checked",
  "ImageSource.url": "an image fetched by its address",
  "InspectionService.switchModel": "a service told to use another model",
  "InspectionService.upload": "one or several images sent to an inspection service",
  "Jobs.image": "one image of a job of the server",
  "LabelFile.write": "a label map written band by band",
  "LargeImage.file": "the header of an image larger than memory",
  "ModelHub.open": "a model found in the cache or fetched from the Hub",
  "PolicyRunner.attempt": "one attempt of a call: one request, or one run of a model",
  "Probe.probe": "the questions that tell what a service speaks",
  "SegFormerOnnx.make": "a model loaded into its sessions",
  "SegFormerOnnx.predict": "an image decoded and run through the model",
  "SegFormerWeb.make": "a model loaded into sessions in WebAssembly",
  "Segmenter.segment": "one image, from opening to its segmentation",
  "Segmenter.segmentWithAgreement": "one image by every member of an ensemble",
  "Sink.finish": "what a sink makes of all images together",
  "Sink.write": "what a sink makes of one image",
  "Tiled.segment": "an image in windows"
} as const

/** A span of the list. */
export type SpanName = keyof typeof spans

/** Runs an effect in a span of the list. */
export const span = (
  name: SpanName,
  attributes: Readonly<Record<string, unknown>> = {},
  kind: Tracer.SpanKind = "internal"
): (<A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>>) =>
  Effect.withSpan(name, { attributes, kind }, { captureStackTrace: false })

interface Instrument {
  readonly kind: "counter" | "gauge" | "histogram"
  /** By the Unified Code for Units of Measure: `s`, `By`, or what is counted in braces. */
  readonly unit: string
  readonly description: string
  /** Which attributes it is by. */
  readonly attributes: ReadonlyArray<string>
  readonly boundaries?: ReadonlyArray<number>
}

/** Advised for the duration of HTTP requests, in seconds. */
const advised = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** A call waits and tries again: minutes are usual. */
const patient = [...advised, 30, 60, 120, 300]

const request = [standard.method, standard.status, standard.errorType]

/** Metrics of calls by their names in OTLP. */
const ofCalls = {
  "http.client.request.duration": {
    kind: "histogram",
    unit: "s",
    description: "Duration of HTTP client requests, to the last byte where it is read at once",
    attributes: [...request, standard.address, standard.port],
    boundaries: advised
  },
  "segformer.call.duration": {
    kind: "histogram",
    unit: "s",
    description: "Calls from start to end, waits and retries included",
    attributes: [own.service, standard.errorType],
    boundaries: patient
  },
  "segformer.attempts": {
    kind: "counter",
    unit: "{attempt}",
    description: "Attempts begun",
    attributes: [own.service]
  },
  "segformer.attempts.active": {
    kind: "gauge",
    unit: "{attempt}",
    description: "Attempts under way",
    attributes: [own.service]
  },
  "segformer.circuit.changes": {
    kind: "counter",
    unit: "{change}",
    description: "Changes of circuits, by the states they left and entered",
    attributes: [own.service, own.from, own.to]
  },
  "segformer.circuit.state": {
    kind: "gauge",
    unit: "{state}",
    description: "State of a circuit as this process last saw it: 0 closed, 1 half open, 2 open",
    attributes: [own.service]
  }
} as const satisfies Readonly<Record<string, Instrument>>

/** Metrics of servers, batches and caches, and of services that are watched. */
const ofServers = {
  "segformer.service.health": {
    kind: "gauge",
    unit: "{state}",
    description: "Whether a service is healthy: 1 it is, 0 it is not, -1 nothing is known yet",
    attributes: [own.service]
  },
  "http.server.request.duration": {
    kind: "histogram",
    unit: "s",
    description: "Duration of HTTP server requests, to the headers of the answer",
    attributes: [...request, standard.route, standard.scheme],
    boundaries: advised
  },
  "segformer.decoded.pixels": {
    kind: "counter",
    unit: "{pixel}",
    description: "Pixels that image decoders were asked for",
    attributes: []
  },
  "segformer.server.images": {
    kind: "counter",
    unit: "{image}",
    description: "Images worked on",
    attributes: [own.model, own.outcome]
  },
  "segformer.server.requests.active": {
    kind: "gauge",
    unit: "{request}",
    description: "Requests with images, those that wait or are waited for included",
    attributes: []
  },
  "segformer.server.requests.arriving": {
    kind: "gauge",
    unit: "{request}",
    description: "Requests with images whose bodies are waited for",
    attributes: []
  },
  "segformer.server.images.active": {
    kind: "gauge",
    unit: "{image}",
    description: "Images worked on now",
    attributes: []
  },
  "segformer.server.bodies": {
    kind: "gauge",
    unit: "By",
    description: "Bytes of requests' bodies in memory",
    attributes: []
  },
  "segformer.cache.size": {
    kind: "gauge",
    unit: "By",
    description: "Bytes of results kept",
    attributes: []
  },
  "segformer.cache.lookups": {
    kind: "counter",
    unit: "{lookup}",
    description: "Images looked up among the results kept",
    attributes: [own.outcome]
  },
  "segformer.analytics.dropped": {
    kind: "counter",
    unit: "{event}",
    description: "Events that analytics lost",
    attributes: []
  }
} as const satisfies Readonly<Record<string, Instrument>>

/** All metrics by their names in OTLP. */
export const metrics = Object.assign({}, ofCalls, ofServers)

type Table = Readonly<Record<string, Instrument>>
type Of<T extends Table, Kind extends Instrument["kind"]> = {
  readonly [Name in keyof T]: T[Name]["kind"] extends Kind ? Name : never
}[keyof T] &
  string

/** Makes the instruments of a table. */
const instruments = <T extends Table>(table: T) => {
  const find = (name: keyof T & string) => {
    const { boundaries = [], description, unit }: Instrument = table[name]!
    return { boundaries, options: { description, attributes: { unit } } }
  }
  return {
    counter: (name: Of<T, "counter">): Metric.Counter<number> =>
      Metric.counter(name, { ...find(name).options, incremental: true }),
    gauge: (name: Of<T, "gauge">): Metric.Gauge<number> => Metric.gauge(name, find(name).options),
    histogram: (name: Of<T, "histogram">): Metric.Histogram<number> => {
      const { boundaries, options } = find(name)
      return Metric.histogram(name, { ...options, boundaries })
    }
  }
}

/** Two tables, so that a program that only calls services does not carry the words of the other. */
export const calls = instruments(ofCalls)
export const servers = instruments(ofServers)

/** `error.type` of a failure: its tag, or what ended it without one. */
export const errorTypeOf = (cause: Cause.Cause<{ readonly _tag: string }>): string =>
  Result.getOrUndefined(Cause.findError(cause))?._tag ??
  (Cause.hasInterrupts(cause) ? "Interrupted" : "Defect")

const suffixes: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes" }

/** What Prometheus calls a metric: with its unit, and `_total` where it only grows. Those of others stay as they are. */
export const prometheusName = (name: string): string => {
  const found = Object.entries<Instrument>(metrics).find(([known]) => known === name)
  if (found === undefined) return name
  const [, { kind, unit }] = found
  return `${name.replaceAll(".", "_")}${suffixes[unit] ?? ""}${kind === "counter" ? "_total" : ""}`
}
