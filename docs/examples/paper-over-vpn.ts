/**
 * A paper by its DOI, from a service that finds it over a VPN: submit, poll, download.
 *
 *     RETRIEVAL_SERVICE_URL=http://localhost:8000 npm run example docs/examples/paper-over-vpn.ts 10.1000/182 papers
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { Retrieval } from "effect-segformer/companions"
import { Exchange, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"

const [, , doi = "10.1000/182", folder = "papers", interval = "2000"] = process.argv

const program = Effect.gen(function* () {
  const retrieval = yield* Retrieval
  const { detail, healthy, vpn_ip } = yield* retrieval.health
  if (!healthy) return yield* Console.log(`The service is not healthy: ${detail}`)
  yield* Console.log(`The VPN is up${vpn_ip === undefined ? "" : ` at ${vpn_ip}`}`)

  const { job, path, size } = yield* retrieval.retrieveAndDownload(
    { doi, title: "A paper", timeout_seconds: 60 },
    {
      folder,
      // In milliseconds, as any duration may be.
      interval: Number(interval),
      onStatus: (status) =>
        Console.log(status._tag === "Running" ? (status.detail ?? "running") : status._tag)
    }
  )
  yield* Console.log(`${job.title} (${job.doi}): ${size} bytes of ${job.file_format} at ${path}`)
}).pipe(
  // What the service could not do has a code of its own; what else went wrong says so itself.
  Effect.catchTag("JobFailed", ({ code, detail }) => Console.log(`It cannot be had (${code}): ${detail}`))
)

const service = Retrieval.layer.pipe(
  Layer.provide([ServiceRegistry.layer(), NodeHttp.layer(), NodeFileSystem.layer])
)

program.pipe(
  Effect.provide(service),
  Effect.provideService(Exchange.LogRequests, "none"),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
