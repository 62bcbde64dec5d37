/** What a Gradio app says of itself: its endpoints, and what each takes. */
import { Effect } from "effect"
import type { Attempt } from "../../policy/Attempt.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer, Exchange } from "../../service/Exchange.ts"
import type { ResponseNotDecodable, ServiceError } from "../../service/ServiceError.ts"
import * as Errors from "./Errors.ts"

export interface Parameter {
  readonly name: string
  readonly label: string
  /** Such as `Image` or `Slider`. */
  readonly component: string
  readonly hasDefault: boolean
  readonly default: unknown
}

export interface Endpoint {
  /** Without a slash. */
  readonly name: string
  readonly parameters: ReadonlyArray<Parameter>
}

export interface App {
  /** Before each of its routes: `/gradio_api`, and nothing before version 5. */
  readonly prefix: string
  readonly endpoints: ReadonlyArray<Endpoint>
  /** Where it says so. */
  readonly answer: Answer
}

const text = (value: unknown): string => (typeof value === "string" ? value : "")

/** The endpoints of a description; `undefined` where it is none. */
export const endpointsIn = (json: unknown): ReadonlyArray<Endpoint> | undefined => {
  const named = Errors.isRecord(json) ? json["named_endpoints"] : undefined
  if (!Errors.isRecord(named)) return undefined
  return Object.entries(named).map(([route, endpoint]) => {
    const given = Errors.isRecord(endpoint) ? endpoint["parameters"] : undefined
    return {
      name: route.replace(/^\/+/, ""),
      parameters: (Array.isArray(given) ? given : []).filter(Errors.isRecord).map((each) => ({
        name: text(each["parameter_name"]),
        label: text(each["label"]),
        component: text(each["component"]),
        hasDefault: each["parameter_has_default"] === true,
        default: each["parameter_default"]
      }))
    }
  })
}

/** Asks an app for its description. */
export const ask = Effect.fnUntraced(function* (
  exchange: Exchange,
  attempt: Attempt
): Effect.fn.Return<App, ServiceError> {
  const first = yield* exchange.send({ method: "GET", path: "/gradio_api/info" }, attempt)
  const isOlder = first.status === 404
  const answer = yield* Errors.ok(
    isOlder ? yield* exchange.send({ method: "GET", path: "/info" }, attempt) : first
  )
  const endpoints = endpointsIn(yield* Decode.json(answer))
  if (endpoints === undefined) {
    return yield* Decode.notDecodable(answer, "named_endpoints", "it is no description of a Gradio app")
  }
  return { prefix: isOlder ? "" : "/gradio_api", endpoints, answer }
})

const isImage = ({ component }: Parameter): boolean => component === "Image"

/** Whether an endpoint has an input for pictures. */
export const takesImage = ({ parameters }: Endpoint): boolean => parameters.some(isImage)

/** The endpoint of a name, or the only one that takes an image. */
export const endpointOf = (
  { answer, endpoints }: App,
  options: { readonly endpoint?: string | undefined; readonly input?: string | undefined }
): Effect.Effect<Endpoint, ResponseNotDecodable> => {
  const name = options.endpoint?.replace(/^\/+/, "")
  const fitting = endpoints.filter(({ parameters }) =>
    parameters.some(options.input === undefined ? isImage : (each) => isCalled(each, options.input!))
  )
  const found =
    name === undefined
      ? fitting.length === 1
        ? fitting[0]
        : undefined
      : endpoints.find((each) => each.name === name)
  if (found !== undefined) return Effect.succeed(found)
  const list = (all: ReadonlyArray<Endpoint>) => all.map((each) => each.name).join(", ") || "none"
  const detail =
    name !== undefined
      ? `the app has ${list(endpoints)}, and no "${name}"`
      : fitting.length === 0
        ? `none of its endpoints (${list(endpoints)}) takes ${options.input === undefined ? "an image" : `"${options.input}"`}`
        : `${list(fitting)} take an image. Say with \`endpoint\` which one it is`
  return Effect.fail(Decode.notDecodable(answer, "named_endpoints", detail, ""))
}

const isCalled = ({ label, name }: Parameter, wanted: string): boolean => name === wanted || label === wanted

/**
 * What an endpoint is called with, by the image: that in its place, and the others as they are given, or are by default. Known
 * before an image is sent for nothing.
 */
export const inputsOf = (
  { answer }: App,
  { name, parameters }: Endpoint,
  options: {
    readonly input?: string | undefined
    readonly inputs?: Readonly<Record<string, unknown>> | undefined
  }
): Effect.Effect<(image: unknown) => ReadonlyArray<unknown>, ResponseNotDecodable> => {
  const refuse = (detail: string) =>
    Effect.fail(Decode.notDecodable(answer, `named_endpoints./${name}.parameters`, detail, ""))
  const { input, inputs = {} } = options
  const names = parameters.map((each) => each.name || each.label).join(", ") || "none"
  const takers = parameters.filter(input === undefined ? isImage : (each) => isCalled(each, input))
  if (takers.length !== 1) {
    return refuse(
      input !== undefined
        ? `it takes ${names}, and ${takers.length === 0 ? "no" : "more than one"} "${input}"`
        : takers.length === 0
          ? `it takes ${names}, and no image. Say with \`input\` which one takes it`
          : `${takers.map((each) => each.name || each.label).join(", ")} take images. Say with \`input\` which one takes it`
    )
  }
  const taker = takers[0]!
  const meant = Object.keys(inputs).find((each) => isCalled(taker, each))
  if (meant !== undefined) return refuse(`"${meant}" takes the image: leave it out of \`inputs\``)
  const unknown = Object.keys(inputs).find(
    (each) => !parameters.some((parameter) => isCalled(parameter, each))
  )
  if (unknown !== undefined) return refuse(`it takes ${names}, and no "${unknown}"`)
  const values = new Map<Parameter, unknown>()
  for (const parameter of parameters) {
    const given = Object.entries(inputs).find(([each]) => isCalled(parameter, each))
    if (parameter !== taker && given === undefined && !parameter.hasDefault) {
      return refuse(`"${parameter.name || parameter.label}" has no default. Give it in \`inputs\``)
    }
    values.set(parameter, given === undefined ? parameter.default : given[1])
  }
  return Effect.succeed((image) =>
    parameters.map((parameter) => (parameter === taker ? image : values.get(parameter)))
  )
}
