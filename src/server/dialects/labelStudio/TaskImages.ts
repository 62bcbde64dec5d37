/**
 * The pictures of tasks, fetched: from Label Studio itself, with the key that is for it alone; from where it redirects to, which is how
 * it hands out what its storages have; and from the hosts of a list. Connections go to public addresses, but for Label Studio's host and
 * those of the list, so that nothing a task names leads to what only this machine can reach.
 */
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { HttpClient } from "effect/http"
import type { NodeProxyOptions } from "../../../service/NodeProxy.ts"
import type { ServiceError } from "../../../service/ServiceError.ts"
import type { PolicyError } from "../../../policy/PolicyError.ts"
import * as WebFile from "../../../service/WebFile.ts"
import * as LargeJson from "../../LargeJson.ts"
import { bad, Refusal } from "../../Refusal.ts"
import * as Addresses from "./Addresses.ts"
import * as Key from "./Key.ts"
import { lazily } from "../../../service/CodeNotLoaded.ts"

export interface TaskImagesOptions extends NodeProxyOptions {
  /** Where Label Studio is, such as http://localhost:8080. Without it only pictures of `hosts` can be had. */
  readonly url?: URL | undefined
  /** Label Studio's key: a token of old, or a personal access token. */
  readonly key?: Redacted.Redacted | undefined
  /** Hosts besides, as `example.com`, `example.com:8443`, `*.example.com`, or `*` for all that are public. */
  readonly hosts?: ReadonlyArray<string> | undefined
}

export interface TaskImages {
  /** The bytes of a picture of a task. A refusal that is not of the picture alone concerns all tasks. */
  readonly bytes: (
    value: string | LargeJson.LongText,
    taskId: string | undefined,
    maxBytes: number
  ) => Effect.Effect<Uint8Array, Refusal>
}

/** Loaded by servers that fetch for Label Studio. */
const guard = Effect.orDie(lazily(() => import("../../../service/NodeAddressGuard.ts")))

const isData = (value: string | LargeJson.LongText): boolean =>
  (typeof value === "string" ? value : value.raw.toString("latin1", 0, 5)).startsWith("data:")

export const make = Effect.fnUntraced(function* ({
  hosts = [],
  key,
  url: base,
  ...way
}: TaskImagesOptions): Effect.fn.Return<TaskImages, never, Scope.Scope> {
  const allowPrivate = [...(base === undefined ? [] : [base.host]), ...hosts.filter((host) => host !== "*")]
  const client = Context.get(
    yield* Layer.build((yield* guard).layer({ ...way, allowPrivate })),
    HttpClient.HttpClient
  )
  const authorization = base === undefined ? Effect.succeed(undefined) : Key.make(base, key)

  const get = (address: string, maxBytes: number, authorized?: Redacted.Redacted) =>
    Effect.map(
      WebFile.get(address, {
        accept: "image/*,*/*;q=0.5",
        limits: { maxBodyBytes: maxBytes, maxDecodedBytes: maxBytes },
        ...(authorized === undefined ? {} : { headers: { authorization: authorized } })
      }),
      ({ body }) => body
    )

  /** The first of the paths at which Label Studio has it. */
  const own = Effect.fnUntraced(function* (
    { origin }: URL,
    [path = "/", ...more]: ReadonlyArray<string>,
    maxBytes: number
  ): Effect.fn.Return<Uint8Array, Refusal, HttpClient.HttpClient> {
    const authorized = yield* Effect.mapError(authorization, (error) => fromOwn(error, key))
    return yield* Effect.catch(get(origin + path, maxBytes, authorized), (error) =>
      more.length > 0 && "status" in error && error.status >= 400
        ? own(new URL(origin), more, maxBytes)
        : Effect.fail(fromOwn(error, key))
    )
  })

  return {
    bytes: (value, taskId, maxBytes) => {
      if (isData(value)) return LargeJson.fileOf(value, "The picture of the task")
      return Effect.gen(function* () {
        const place = yield* Effect.fromResult(
          Addresses.find(yield* LargeJson.textOf(value), taskId, { base, hosts })
        )
        return place._tag === "Own" && base !== undefined
          ? yield* own(base, place.paths, maxBytes)
          : place._tag === "Other"
            ? yield* Effect.mapError(get(place.url.href, maxBytes), fromOther)
            : yield* bad("The picture of the task is nowhere")
      }).pipe(Effect.provideService(HttpClient.HttpClient, client))
    }
  }
})

type FetchError = ServiceError | PolicyError

const ofPicture = (detail: string): Refusal => new Refusal({ status: 400, detail, concerns: "image" })

/** What is wrong with Label Studio, or with a picture that it is to have. */
const fromOwn = (error: FetchError, key: Redacted.Redacted | undefined): Refusal => {
  switch (error._tag) {
    case "Unauthorized": {
      const hint =
        key === undefined
          ? "It wants a key: set LABEL_STUDIO_API_KEY"
          : "Check LABEL_STUDIO_API_KEY: a token of old is taken only where the organization allows legacy tokens"
      return new Refusal({
        status: 502,
        detail: "Label Studio does not let this server have its pictures",
        internal: `${error.message}. ${hint}`,
        concerns: "service"
      })
    }
    case "ConnectionFailed":
    case "TimedOut":
    case "RateLimited":
    case "ServiceUnavailable":
      return new Refusal({
        status: 503,
        detail: "Label Studio cannot be reached from this server now",
        internal: error.message,
        concerns: "service"
      })
    default:
      return fromOther(error)
  }
}

const fromOther = (error: FetchError): Refusal =>
  ofPicture(
    error._tag === "InvalidUrl"
      ? `${error.message}, by --images-from`
      : error._tag === "NotFound"
        ? `There is no picture at ${error.service} (${error.status})`
        : error.message
  )
