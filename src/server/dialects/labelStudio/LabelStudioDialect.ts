/**
 * Label Studio's ML backend, served: it asks `/health` and `/setup` when a model is added to a project and before each round of
 * predictions, and `/predict` with tasks. Pictures come from Label Studio, regions go back as its labelling configuration has tags for:
 * brushes, polygons, rectangles or bitmasks.
 *
 * One result for each task, in order. A task whose picture cannot be had or segmented gets an empty one, and the log a line; where
 * nothing can be segmented at all (no model, a key that Label Studio refuses) the request fails, so that Label Studio keeps nothing of it
 * and asks again. `model_version` changes with the model, the options, and which class is which label: what is predicted
 * otherwise now is asked for anew.
 *
 * ```ts
 * import { Redacted } from "effect"
 * import { LabelStudioDialect } from "effect-segformer/server"
 *
 * const dialect = LabelStudioDialect.make({
 *   url: new URL("http://localhost:8080"),
 *   key: Redacted.make("its-access-token"),
 *   minArea: 64
 * })
 * dialect.name // => "labelstudio"
 * ```
 */
import { createHash } from "node:crypto"
import { type Duration, Effect, Option, Schema, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import type { ModelDescription } from "../../../Transport.ts"
import { type AnnotationOptions, beyondLoopback, check, hostOfContainers, textOf } from "../Annotation.ts"
import * as Bodies from "../../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Served } from "../../Dialect.ts"
import * as JsonPieces from "../../JsonPieces.ts"
import * as LargeJson from "../../LargeJson.ts"
import * as Refusals from "../../Refusal.ts"
import { Refusal } from "../../Refusal.ts"
import type { Kept } from "../../ResultCache.ts"
import { Context } from "./Context.ts"
import * as LabelConfig from "./LabelConfig.ts"
import * as Predict from "./Predict.ts"
import * as TaskImages from "./TaskImages.ts"

export interface LabelStudioDialectOptions extends AnnotationOptions, TaskImages.TaskImagesOptions {
  /** What tells the model from others of its name, such as the digest of its file. */
  readonly fingerprint?: string | undefined
  /**
   * How often a space is sent, and a line logged, while predictions take their time: neither Label Studio nor a proxy then gives up on
   * them. 10 seconds by default.
   */
  readonly pulse?: Duration.Input | undefined
}

const refuse = (refusal: Refusal) =>
  Refusals.answer(refusal, { status: refusal.status, detail: refusal.detail })

const Text = Schema.Union([Schema.String, Schema.instanceOf(LargeJson.LongText)])

/** Text besides what is long: a thousand tasks with what was predicted for them before. */
const parseOptions = { maxRest: 8 * 1024 * 1024 }

const decodeSetup = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(
    Schema.Struct({
      schema: Schema.optionalKey(Schema.NullOr(Text)),
      hostname: Schema.optionalKey(Schema.Unknown)
    })
  ),
  'The body must be JSON such as {"project": "1.1700000000", "schema": "<View>…</View>"}',
  parseOptions
)

const decodePredict = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(
    Schema.Struct({
      tasks: Schema.Array(
        Schema.Struct({
          id: Schema.optionalKey(Schema.Unknown),
          data: Schema.Record(Schema.String, Schema.Unknown)
        })
      ),
      label_config: Text,
      params: Schema.optionalKey(
        Schema.NullOr(Schema.Struct({ context: Schema.optionalKey(Schema.NullOr(Context)) }))
      )
    })
  ),
  'The body must be JSON such as {"tasks": [{"id": 1, "data": {"image": "/data/upload/1/a.png"}}], "label_config": "<View>…</View>"}',
  parseOptions
)

/** Bytes of a request of `/setup`, which has a labelling configuration in it. */
const maxSetupBytes = 4 * 1024 * 1024

const idOf = (id: unknown): string | undefined =>
  typeof id === "string" || typeof id === "number" ? String(id) : undefined

/** What older Label Studios ask, and a server that only predicts has nothing to do for. */
const former = ["/train", "/validate", "/duplicate_model", "/delete", "/job_status"] as const

/** Whether a refusal is of the one picture, and others may go well. */
const isOfPicture = ({ concerns, status }: Refusal): boolean =>
  concerns === undefined ? status < 500 || status === 504 : concerns === "image"

/** The model's classes and the configuration's labels, for people, where they do not fit. */
const unlike = (config: LabelConfig.LabelConfig, { classes, name }: ModelDescription): string => {
  const tags = config.controls.map(
    ({ labels, name }) => `${name}: ${labels.map(({ value }) => value).join(", ")}`
  )
  const others = config.others.length === 0 ? "" : `; nothing is made for ${config.others.join(", ")}`
  return (
    `No class of ${name} (${classes.map((info) => info.name).join(", ")}) is a label of the labelling configuration (` +
    `${tags.length === 0 ? "no brush, polygon, rectangle or bitmask labels" : tags.join("; ")}${others}). Call labels as the model ` +
    'does, or say what it calls them: predicted_values="…"'
  )
}

/** Says so where nothing will ever be found. Tasks may bring labels of their own, and a model may not say what its classes are. */
const fitting = (config: LabelConfig.LabelConfig, model: ModelDescription): Effect.Effect<void> =>
  model.classes.length === 0 ||
  config.controls.some(({ labelsFrom }) => labelsFrom !== undefined) ||
  Predict.placesOf(config, model.classes).length > 0
    ? Effect.void
    : Effect.logWarning(unlike(config, model))

/** Paths that other protocols have as well. */
const fromLabelStudio: DialectRoute["takes"] = ({ headers }) =>
  /^heartex\//i.test(headers["user-agent"] ?? "")

/** The dialect `labelstudio`. */
export const make = (options: LabelStudioDialectOptions = {}): Dialect => ({
  name: "labelstudio",
  refuse,
  notice: (listening) => [
    `For Label Studio: Settings, Model, Connect Model, with the URL ${listening.url}, or from a container ` +
      `http://${hostOfContainers}:${listening.port}; it asks an address of a private network only where it runs with ML_BLOCK_LOCAL_IP=false SSRF_PROTECTION_ENABLED=false`,
    ...beyondLoopback(listening)
  ],
  routes: Effect.fnUntraced(function* (served) {
    check(options)
    const images = yield* TaskImages.make(options)
    const dialect = { served, options, images, kept: served.kept<Predict.Found>() }
    const health = JsonPieces.json({ status: "UP", model_class: "effect-segformer" })
    return [
      { ...get("/", () => Effect.succeed(health)), takes: fromLabelStudio },
      { ...get("/health", () => Effect.succeed(health)), takes: fromLabelStudio },
      get("/versions", () =>
        Effect.map(described(served), (model) =>
          JsonPieces.json({ versions: [versionOf(options, model, undefined)] })
        )
      ),
      setup(dialect),
      { ...predict(dialect), takes: fromLabelStudio },
      webhook(served),
      ...former.map((path) => post(path, () => Effect.succeed(JsonPieces.json({}))))
    ]
  })
})

interface Made {
  readonly served: Served
  readonly options: LabelStudioDialectOptions
  readonly images: TaskImages.TaskImages
  readonly kept: Kept<Predict.Found>
}

/** The model, if it says what it is within the time that Label Studio waits. */
const described = (served: Served): Effect.Effect<ModelDescription, Refusal> =>
  Effect.timeoutOrElse(served.describe, {
    duration: "2 seconds",
    orElse: () =>
      Effect.fail(new Refusal({ status: 503, detail: "The model does not say what it is in time" }))
  })

/** Another one where predictions are other ones: of another model, by other options, with other labels, or of pictures that could not be had before. */
const versionOf = (
  options: LabelStudioDialectOptions,
  { classes, name }: ModelDescription,
  config: LabelConfig.LabelConfig | undefined
): string => {
  const { fingerprint, hosts, key, url } = options
  const all = [
    fingerprint,
    classes.map((info) => [info.id, info.name]),
    textOf(options),
    [url?.href, key !== undefined, hosts],
    config && [Predict.placesOf(config, classes), config.pictures]
  ]
  return `${name}-${createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 8)}`
}

const setup = ({ options, served }: Made): DialectRoute =>
  post(
    "/setup",
    Effect.fnUntraced(function* (request) {
      // However many images are worked on: it is asked before each round of predictions, and waits 3 seconds.
      yield* Bodies.checkJson(request)
      const body = yield* Bodies.read(request, { ...served.limits, maxBytes: maxSetupBytes })
      const { hostname, schema } = yield* decodeSetup(body)
      const model = yield* described(served)
      const text = schema === undefined || schema === null ? "" : yield* LargeJson.textOf(schema)
      const config = text.trim() === "" ? undefined : yield* LabelConfig.parse(text)
      if (config !== undefined) yield* fitting(config, model)
      if (options.url === undefined && typeof hostname === "string") {
        yield* Effect.logInfo(
          `Label Studio says that it is at ${hostname.slice(0, 200)}. For the pictures that it keeps itself, start this server with ` +
            "LABEL_STUDIO_URL, the address at which it is found from here, and LABEL_STUDIO_API_KEY"
        )
      }
      return JsonPieces.json({ model_version: versionOf(options, model, config) })
    })
  )

const predict = ({ images, kept, options, served }: Made): DialectRoute =>
  post(
    "/predict",
    Effect.fnUntraced(function* (request) {
      const body = yield* Bodies.takeJson(served, request, served.limits.maxRequestBytes)
      const { label_config, params, tasks } = yield* decodePredict(body)
      const config = yield* LabelConfig.parse(yield* LargeJson.textOf(label_config))
      const model = yield* described(served)
      yield* fitting(config, model)
      const version = versionOf(options, model, config)
      const context = params?.context ?? undefined
      const segment = Predict.task(served, kept, images, options, { config, version, context })
      const one = ({ data, id }: (typeof tasks)[number]) => {
        const known = idOf(id)
        return Effect.catch(segment({ id: known, data }), (refusal) =>
          isOfPicture(refusal)
            ? Effect.as(
                Effect.logWarning(
                  `Label Studio's task ${known ?? "without an id"} gets no regions: ${refusal.message}`
                ),
                Predict.nothing(version)
              )
            : Effect.fail(refusal)
        )
      }
      const [first, ...rest] = tasks
      if (first === undefined) return JsonPieces.json({ results: [] })
      // What is wrong with all of them shows with the first one, before the answer has begun.
      const start = yield* one(first)
      const services = yield* Effect.context<never>()
      let done = 1
      const beats = Stream.mapEffect(Stream.drop(Stream.tick(options.pulse ?? "10 seconds"), 1), () =>
        Effect.as(Effect.logInfo(`Label Studio's tasks: ${done} of ${tasks.length} are predicted`), [" "])
      )
      const more = Stream.fromIterable(rest).pipe(
        Stream.mapEffect(one, { concurrency: served.concurrency * 2 }),
        Stream.tapError((refusal) =>
          Effect.logWarning(`Label Studio's request is broken off: ${refusal.message}`)
        ),
        Stream.map((pieces) => {
          done++
          return [",", ...pieces]
        }),
        Stream.merge(beats, { haltStrategy: "left" })
      )
      const encoder = new TextEncoder()
      const pieces = Stream.concat(Stream.succeed(['{"results":[', ...start]), more).pipe(
        Stream.concat(Stream.succeed(["]}"])),
        Stream.flatMap((each) =>
          JsonPieces.bytes(each.map((piece) => (typeof piece === "string" ? encoder.encode(piece) : piece)))
        ),
        Stream.provideContext(services)
      )
      return HttpServerResponse.stream(pieces, { contentType: "application/json" })
    })
  )

const decodeAction = Schema.decodeUnknownOption(Schema.Struct({ action: Schema.String }))

/** Label Studio tells of all that annotators do. Nothing is trained here: corrected masks are for `segformer eval` and for whoever trains. */
const webhook = (served: Served): DialectRoute =>
  post(
    "/webhook",
    Effect.fnUntraced(function* (request) {
      const body = yield* Bodies.takeJson(served, request, served.limits.maxRequestBytes)
      const told = decodeAction(yield* LargeJson.parse(body, parseOptions))
      const action = Option.isSome(told) ? told.value.action.slice(0, 100) : "something"
      yield* action === "START_TRAINING"
        ? Effect.logWarning(
            "Label Studio asks for a training. Nothing is trained here: the model stays as it is"
          )
        : Effect.logDebug(`Label Studio tells of ${action}`)
      return JsonPieces.json({ status: "Unknown event" })
    })
  )
