/** Everything that a server answers with, over the models there are, whichever way requests come to it. */
import { Clock, Context, Effect, FileSystem, Layer, type Scope } from "effect"
import { ImageCodec } from "../image/ImageCodec.ts"
import { Transport } from "../Transport.ts"
import * as Address from "./Address.ts"
import * as Admission from "./Admission.ts"
import * as Application from "./Application.ts"
import * as InspectionDialect from "./dialects/inspection/InspectionDialect.ts"
import * as Jobs from "./jobs/Jobs.ts"
import type { CannotKeepJobs } from "./jobs/JobsOptions.ts"
import * as Origins from "./Origins.ts"
import * as ResultCache from "./ResultCache.ts"
import * as Security from "./Security.ts"
import * as ServerLimits from "./ServerLimits.ts"
import * as ServerMetrics from "./ServerMetrics.ts"
import type { SegFormerServerOptions } from "./ServerOptions.ts"
import * as Serving from "./Serving.ts"
import * as JobsHandlers from "./v1/JobsHandlers.ts"
import type { Models, ServedModel } from "./v1/Models.ts"
import * as Routes from "./v1/Routes.ts"
import { lazily } from "../service/CodeNotLoaded.ts"

/** What answers, what reads and writes pictures, and where jobs are kept. */
export type Needs = Transport | ImageCodec | FileSystem.FileSystem

/** Who may ask, by where a request comes from. */
export interface Callers {
  readonly addresses: Address.Addresses
  readonly origins: Origins.Origins
}

export const callersOf = (
  options: SegFormerServerOptions<unknown, unknown>
): Effect.Effect<Callers, Address.InvalidProxy | Origins.InvalidOrigin> =>
  Effect.gen(function* () {
    const addresses = yield* Effect.fromResult(Address.make(options.trustProxy))
    const origins = yield* Effect.fromResult(Origins.make(options.cors ?? [], addresses))
    return { addresses, origins }
  })

/** Everything that answers, over the models there are. */
export const make = Effect.fnUntraced(function* <E, R>(
  options: SegFormerServerOptions<E, R>,
  limits: ServerLimits.ServerLimits,
  { addresses, origins }: Callers,
  state: { readonly draining: boolean }
): Effect.fn.Return<Application.App, E | CannotKeepJobs, Needs | Scope.Scope | R> {
  const clock = yield* Clock.Clock
  const transport = yield* Transport
  const admission = Admission.make(limits)
  const cache = limits.maxCacheBytes > 0 ? ResultCache.make(limits.maxCacheBytes) : undefined
  const counts = { segmented: 0, failed: 0 }
  const shared: Serving.Shared = {
    admission,
    limits,
    codec: yield* ImageCodec,
    files: yield* FileSystem.FileSystem,
    cache,
    counts,
    started: clock.monotonicTimeNanosUnsafe(),
    active: options.active
  }
  const main = yield* Serving.make(transport, "default", options.name, shared)
  const under = options.routes ?? {}
  const more: Array<ServedModel> = []
  for (const [name, layer] of Object.entries(options.models ?? {})) {
    const transport = Context.get(yield* Layer.build(layer), Transport)
    const served = (yield* Serving.make(transport, `model ${name}`, name, shared))(under["v1"])
    more.push({ name: Effect.succeed(name), isDefault: false, kind: kindOf(transport), served })
  }
  const served = main(under["v1"])
  const name = Effect.match(served.describe, { onSuccess: ({ name }) => name, onFailure: () => "segformer" })
  const models: Models = [{ name, isDefault: true, kind: kindOf(transport), served }, ...more]

  const dialects = yield* Effect.forEach(options.dialects ?? [InspectionDialect.make()], (dialect) =>
    Effect.map(dialect.routes(main(under[dialect.name])), (routes) => ({ dialect, routes }))
  )
  const jobs =
    options.jobs === false
      ? undefined
      : yield* Jobs.make(shared.files, JobsHandlers.work(models), options.jobs ?? {})
  // Its files are this package's own, which a handler without it need not have.
  const page =
    options.page === false
      ? []
      : yield* Effect.flatMap(Effect.orDie(lazily(() => import("./page/Page.ts"))), (Page) =>
          Page.routes(served.limits)
        )
  yield* ServerMetrics.kept({ admission, cache })
  return yield* Application.make({
    dialects,
    api: Routes.layer({
      models,
      jobs,
      metrics: ServerMetrics.text({ admission, cache })
    }),
    page,
    authenticate: Security.authenticate(options, addresses),
    addresses,
    origins,
    measure: ServerMetrics.makeMeasure(),
    limits,
    maxLinger: 2 * limits.maxRequestBytes,
    state
  })
})

/** A transport is called by the address of its service, or by the name of its model. */
const kindOf = ({ name }: Transport["Service"]): string => (/^https?:/.test(name) ? "service" : "model")
