/**
 * CVAT's serverless functions, served: the three routes of Nuclio's dashboard that CVAT asks (`GET /api/functions`, `GET
 * /api/functions/{name}`, `POST /api/function_invocations`), and `POST /` of a function that is asked directly. Nothing else is needed:
 * `CVAT_NUCLIO_HOST` and `CVAT_NUCLIO_PORT` of CVAT name this server.
 *
 * Masks, polygons and boxes are a function each, by the type that the labels of a task have; `threshold` is the least mean confidence of a
 * region, where the segmenter says how sure it is. CVAT sends no credentials: its network is let in by address (`allowFrom`).
 *
 * ```ts
 * import { CvatDialect, type SegFormerServerOptions } from "effect-segformer/server"
 *
 * const options: SegFormerServerOptions = {
 *   host: "0.0.0.0",
 *   allowFrom: ["172.16.0.0/12"],
 *   dialects: [CvatDialect.make({ per: "class" })]
 * }
 * options.dialects?.map(({ name }) => name) // => ["cvat"]
 * ```
 */
import { Effect, Schema } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Box } from "../../../mask/Region.ts"
import { type AnnotationOptions, beyondLoopback, check, hostOfContainers } from "../Annotation.ts"
import * as Bodies from "../../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Served } from "../../Dialect.ts"
import * as JsonPieces from "../../JsonPieces.ts"
import * as LargeJson from "../../LargeJson.ts"
import * as Refusals from "../../Refusal.ts"
import type { Kept } from "../../ResultCache.ts"
import * as Answers from "./Answers.ts"
import * as Functions from "./Functions.ts"

const refuse = (refusal: Refusals.Refusal) => Refusals.answer(refusal, { error: refusal.detail })

const Points = Schema.NullOr(Schema.Array(Schema.Array(Schema.Finite)))

const decodeBody = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(
    Schema.Struct({
      image: Schema.Union([Schema.String, Schema.instanceOf(LargeJson.LongText)]),
      threshold: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
      pos_points: Schema.optionalKey(Points),
      neg_points: Schema.optionalKey(Points),
      obj_bbox: Schema.optionalKey(Points)
    })
  ),
  'The body must be JSON such as {"image": "<a frame in base64>", "threshold": 0.5}, with "pos_points" and "neg_points" as [[x, y], …] if any'
)
type Body = Effect.Success<ReturnType<typeof decodeBody>>

const points = (list: Body["pos_points"]): ReadonlyArray<readonly [number, number]> =>
  (list ?? []).flatMap(([x, y]) => (x === undefined || y === undefined ? [] : [[x, y] as const]))

/** From two corners. */
const boxOf = (corners: Body["obj_bbox"]): Box | undefined => {
  const [first, second] = points(corners)
  if (first === undefined || second === undefined) return undefined
  const [x, y] = [Math.min(first[0], second[0]), Math.min(first[1], second[1])]
  return { x, y, width: Math.abs(second[0] - first[0]), height: Math.abs(second[1] - first[1]) }
}

interface Made {
  readonly served: Served
  readonly options: AnnotationOptions
  readonly detected: Kept<Answers.AllDetected>
  readonly clickable: Kept<Answers.Clickable>
}

/** Where the connection came in: as CVAT sees the port unless it is mapped to another. */
const portOf = (request: HttpServerRequest.HttpServerRequest): number => {
  const host = request.headers["host"] ?? ""
  const asked = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).port : ""
  if (asked !== "") return Number(asked)
  const socket: unknown = Reflect.get(request.source, "socket")
  const isSocket = typeof socket === "object" && socket !== null && "localPort" in socket
  if (isSocket && typeof socket.localPort === "number") return socket.localPort
  // Without a connection of its own a server is asked at the port that its scheme has.
  return request.originalUrl.startsWith("https:") ? 443 : 80
}

/** The functions, as they are now. */
const functions = Effect.fnUntraced(function* (
  { served }: Made,
  request: HttpServerRequest.HttpServerRequest
) {
  const model = yield* served.describe
  const { healthy } = yield* served.health
  const state = { port: portOf(request), isReady: healthy }
  return Functions.of(model).map((own) => ({ own, described: Functions.described(own, model, state) }))
})

const noFunction = (name: string) => Refusals.notFound(`There is no function "${name.slice(0, 200)}" here`)

/** A function asked: by its name, or, where it is asked directly, by what it is asked. */
const invoke = (
  made: Made,
  nameOf: (request: HttpServerRequest.HttpServerRequest) => string | undefined
): DialectRoute["handle"] =>
  Effect.fnUntraced(function* (request) {
    const { options, served } = made
    const model = yield* served.describe
    const all = Functions.of(model)
    const name = nameOf(request)
    const asked = name === undefined ? undefined : all.find(({ id }) => id === name)
    if (name !== undefined && asked === undefined) return yield* noFunction(name)
    const body = yield* Effect.flatMap(
      Bodies.takeJson(served, request, LargeJson.base64Bytes(served.limits.maxBytes)),
      decodeBody
    )
    const isClick = body.pos_points !== undefined || body.obj_bbox !== undefined
    const own = asked ?? all.find(({ kind }) => kind === (isClick ? "interactor" : "detector"))
    if (own === undefined) return yield* noFunction("")
    const bytes = yield* LargeJson.fileOf(body.image, '"image"')
    const upload = { name: "frame", bytes }
    const threshold = body.threshold ?? undefined
    const pieces =
      own.kind === "detector"
        ? yield* served.extract(
            upload,
            {
              kept: made.detected,
              question: `${own.shape} from ${threshold}`,
              make: Answers.detected(own.shape, threshold, options),
              bytesOf: Answers.bytesOf
            },
            (found) => Effect.succeed(Answers.written(found))
          )
        : // A picture is clicked again and again: what is where does for all of them.
          yield* served.extract(
            upload,
            {
              kept: made.clickable,
              question: "",
              make: Answers.clickable,
              bytesOf: Answers.bytesOfClickable
            },
            Answers.clicked({
              inside: points(body.pos_points),
              outside: points(body.neg_points),
              box: boxOf(body.obj_bbox)
            })
          )
    return HttpServerResponse.stream(JsonPieces.bytes(pieces), { contentType: "application/json" })
  })

/** The dialect `cvat`. */
export const make = (options: AnnotationOptions = {}): Dialect => ({
  name: "cvat",
  refuse,
  notice: (listening) => [
    `For CVAT, of cvat_server and cvat_worker_annotation: CVAT_SERVERLESS=1 CVAT_NUCLIO_HOST=${hostOfContainers} ` +
      `CVAT_NUCLIO_PORT=${listening.port}`,
    ...beyondLoopback(listening)
  ],
  routes: (served) => {
    check(options)
    const made: Made = { served, options, detected: served.kept(), clickable: served.kept() }
    return Effect.succeed([
      get("/api/functions", (request) =>
        Effect.map(functions(made, request), (all) =>
          JsonPieces.json(Object.fromEntries(all.map(({ described, own }) => [own.id, described])))
        )
      ),
      get("/api/functions/:name", (request, { name = "" }) =>
        Effect.flatMap(functions(made, request), (all) => {
          const found = all.find(({ own }) => own.id === name)
          return found === undefined
            ? Effect.fail(noFunction(name))
            : Effect.succeed(JsonPieces.json(found.described))
        })
      ),
      post(
        "/api/function_invocations",
        invoke(made, ({ headers }) => headers["x-nuclio-function-name"] ?? "")
      ),
      // The header is there where a dashboard passes a request on.
      post(
        "/",
        invoke(made, ({ headers }) => headers["x-nuclio-function-name"])
      )
    ])
  }
})
