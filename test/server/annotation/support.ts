/** A Label Studio that hands out pictures to whoever has its key, and requests as the real one sends them. */
import { Effect, Redacted, type Scope } from "effect"
import { LabelStudioDialect, type SegFormerServerOptions } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import * as TestServer from "../../support/TestServer.ts"
import { ask, jsonBody, type Predict, serve } from "../support.ts"

export const key = "0123456789abcdef-of-label-studio"

export interface Studio extends TestServer.TestServer {
  /** Paths that were asked for, in order, with what they were asked by. */
  readonly asked: () => ReadonlyArray<readonly [path: string, authorization: string | undefined]>
}

/** Answers by path; `undefined` is 404, and nobody without the key gets anything. */
export const studio = (
  pictures: Readonly<Record<string, Uint8Array | { readonly location: string } | number>>,
  authorization = `Token ${key}`
): Effect.Effect<Studio, never, Scope.Scope> =>
  Effect.map(
    TestServer.http((request, response) => {
      const found = request.headers["authorization"] === authorization ? (pictures[request.path] ?? 404) : 401
      if (typeof found === "number") response.writeHead(found).end()
      else if (found instanceof Uint8Array) response.writeHead(200).end(found)
      else response.writeHead(303, found).end()
    }),
    (server) => ({
      ...server,
      asked: () => server.requests.map(({ headers, path }) => [path, headers["authorization"]] as const)
    })
  )

export const labels = (...names: ReadonlyArray<string>): string =>
  names.map((name) => `<Label value="${name}"/>`).join("")

/** A configuration with one control tag. */
export const config = (tag: string, inside: string = labels("particle", "scratch"), more = ""): string =>
  `<View><Image name="img" value="$image"/><${tag} name="tag" toName="img" ${more}>${inside}</${tag}></View>`

export interface Task {
  readonly id: number
  readonly data: Readonly<Record<string, unknown>>
}

export const task = (id: number, image: unknown = `/data/upload/1/${id}.png`): Task => ({
  id,
  data: { image }
})

/** As Label Studio sends it. */
export const predictBody = (tasks: ReadonlyArray<Task>, label_config: string, context: unknown = null) =>
  jsonBody({
    tasks: tasks.map((each) => ({
      ...each,
      project: 1,
      annotations: [],
      predictions: [],
      meta: {},
      is_labeled: false
    })),
    project: "1.1700000000",
    label_config,
    params: { login: null, password: null, context }
  })

export interface Region {
  readonly id: string
  readonly from_name: string
  readonly to_name: string
  readonly type: string
  readonly original_width: number
  readonly original_height: number
  readonly image_rotation: number
  readonly score?: number
  readonly item_index?: number
  readonly value: Readonly<Record<string, unknown>>
}

export interface Prediction {
  readonly model_version: string
  readonly score?: number
  readonly result: ReadonlyArray<Region>
}

export interface Predicted {
  readonly results: ReadonlyArray<Prediction>
}

export const predicted = (body: Buffer): Predicted => JSON.parse(body.toString())

/** A server whose Label Studio is there, and what it predicts for tasks. */
export const connected = Effect.fnUntraced(function* (
  url: string | undefined,
  options: Omit<LabelStudioDialect.LabelStudioDialectOptions, "url"> & {
    readonly predict?: Predict | undefined
    readonly server?: SegFormerServerOptions | undefined
  } = {}
) {
  const { predict, server, ...rest } = options
  const dialect = LabelStudioDialect.make({
    key: Redacted.make(key),
    proxy: false,
    ...rest,
    url: url === undefined ? undefined : new URL(url)
  })
  const ours = yield* serve(predict, { dialects: [dialect], ...server })
  return {
    ...ours,
    ask: (tasks: ReadonlyArray<Task>, label_config: string, context?: unknown) =>
      ask(`${ours.url}/predict`, predictBody(tasks, label_config, context)),
    predict: (tasks: ReadonlyArray<Task>, label_config: string, context?: unknown) =>
      Effect.map(ask(`${ours.url}/predict`, predictBody(tasks, label_config, context)), ({ body }) =>
        predicted(body)
      )
  }
})

/** An upload in Label Studio, by the paths that it has for it. */
export const uploads = (...names: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name) => [`/data/upload/1/${name}`, Fixtures.image] as const))
