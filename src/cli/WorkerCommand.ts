/** `segformer worker`: its flags and help. */
import { Config } from "effect"
import { Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as WorkerFlags from "./WorkerFlags.ts"

const flags = {
  db: WorkerFlags.db,
  ...Flags.remote,
  url: Flags.url.pipe(
    Flag.withDescription(
      "Segment by this service, whatever a run asks for. Its key is read from SEGFORMER_API_KEY"
    )
  ),
  model: Flags.model.pipe(Flag.withDescription("Segment with this model, whatever a run asks for")),
  concurrency: Flags.concurrency("IMAGES", "Images at the segmenter at once. 4 by default").pipe(
    Flag.withDefault(4)
  ),
  redis: Flag.Redacted("redis").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "Share rate limits and circuits with the other workers in this Redis, redis://host:6379"
    ),
    Flags.orVariable("redis", "SEGFORMER_REDIS", Config.Redacted),
    Flags.optional
  ),
  host: Flag.String("host").pipe(
    Flag.withMetavar("ADDRESS"),
    Flag.withDescription(
      "By which other workers reach this one. The first address of this machine that is not loopback, by default"
    ),
    Flags.orVariable("host", "SEGFORMER_WORKER_HOST", Config.String),
    Flags.optional
  ),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("Where other workers reach this one; 0 for any that is free. 34431 by default"),
    Flags.orVariable("port", "SEGFORMER_WORKER_PORT", Config.Int),
    Flags.isPort,
    Flag.withDefault(34_431)
  ),
  weight: Flags.count("weight").pipe(
    Flag.withDescription("How much work this worker takes, compared with others. 1 by default"),
    Flag.withDefault(1)
  ),
  shards: WorkerFlags.shards,
  connections: WorkerFlags.connections,
  takeover: WorkerFlags.takeover
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const faults = Flags.backendFaults

export const command = Command.make("worker", flags).pipe(
  Command.withShortDescription("Do the images of runs in a database, beside other workers"),
  Command.withDescription(
    "Do the images of the runs that `segformer batch --db` submits, beside as many other workers as there are. Start and " +
      "stop workers at any time: what one has not done, another does. Images and results must be at the same paths for " +
      "all of them."
  ),
  Command.withExamples([
    {
      command: "SEGFORMER_DB=postgres://segformer:secret@db/segformer segformer worker",
      description: "With the model in this package"
    },
    {
      command: "segformer worker --url http://inspector:8080 -c 16 --redis redis://cache:6379",
      description: "By a service, whose limits all workers share"
    }
  ])
)
