/** `segformer serve`: its flags and help. The work is in `Serve`, which is loaded when there is work. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Dialects from "../server/Dialects.ts"
import * as Flags from "./Flags.ts"

const listed = Dialects.names.join(", ")

const flags = {
  host: Flag.String("host").pipe(
    Flag.withDescription("Address to listen at. 127.0.0.1 by default: this machine only; 0.0.0.0 for all"),
    Flag.withDefault("127.0.0.1")
  ),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.filter(
      (port) => port >= 0 && port <= 65_535,
      () => "a whole number from 0 to 65535"
    ),
    Flag.withDescription("Port to listen at; 0 for any that is free. 8080 by default"),
    Flag.withDefault(8080)
  ),
  model: Flags.model,
  url: Flags.url.pipe(Flag.withDescription("Pass images on to this service, instead of a model here")),
  protocol: Flag.String("protocol").pipe(
    Flag.withMetavar("NAMES"),
    Flag.withDescription(
      `Protocols to answer in, with commas between: ${listed}; or all. Where several have a path, such as ` +
        "/health, the first one named has it. inspection by default"
    ),
    Flag.filterMap(
      (text) => {
        const named = text.split(",").map((name) => name.trim())
        const wanted = named.includes("all") ? Dialects.names : named
        return wanted.every((name) => Dialects.names.includes(name)) ? Option.some(wanted) : Option.none()
      },
      (text) => `one or more of ${listed}, or all, and not "${text}"`
    ),
    Flag.withDefault(["inspection"])
  ),
  name: Flag.String("name").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "What requests call the model, in protocols where they name one. The model's own name by default; " +
        "segformer is understood as well"
    ),
    Flag.optional
  ),
  concurrency: Flags.count("concurrency").pipe(
    Flag.withAlias("c"),
    Flag.withMetavar("IMAGES"),
    Flag.withDescription("Images worked on at once. 2 by default"),
    Flag.withDefault(2)
  ),
  sessions: Flags.count("sessions").pipe(
    Flag.withDescription("Copies of the model that run side by side. 1 by default"),
    Flag.withDefault(1)
  ),
  queue: Flag.Int("queue").pipe(
    Flag.filter(
      (value) => value >= 0,
      () => "a whole number of at least 0"
    ),
    Flag.withMetavar("REQUESTS"),
    Flag.withDescription("Requests that may wait; one more is refused with 503. 32 by default"),
    Flag.withDefault(32)
  ),
  maxBytes: Flags.maxBytes,
  maxPixels: Flags.maxPixels,
  drain: Flags.count("drain").pipe(
    Flag.withMetavar("SECONDS"),
    Flag.withDescription("Time for requests under way to finish when the server is to stop. 20 by default"),
    Flag.withDefault(20)
  )
}

export const command = Command.make("serve", flags, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("./Serve.ts")),
    ({ run }) =>
      run({
        ...options,
        url: Option.getOrUndefined(options.url),
        model: Option.getOrUndefined(options.model),
        name: Option.getOrUndefined(options.name),
        maxBytes: Option.getOrUndefined(options.maxBytes),
        maxPixels: Option.getOrUndefined(options.maxPixels)
      })
  )
).pipe(
  Command.withShortDescription("Serve a model over HTTP"),
  Command.withDescription(
    "Serve the model in this package, another one, or another service, in the protocols that other people's " +
      "clients speak. SIGTERM and Ctrl-C let requests under way finish."
  ),
  Command.withExamples([
    { command: "segformer serve", description: "On this machine only, at http://127.0.0.1:8080" },
    {
      command: "segformer serve --host 0.0.0.0 --port 9000 --model ./models/panels",
      description: "For others, with a model of one's own"
    },
    { command: "curl -F image=@panel.png http://127.0.0.1:8080/upload", description: "Ask it" },
    {
      command: "segformer serve --protocol huggingface,openinference",
      description: "For clients of Hugging Face, Triton and KServe"
    }
  ])
)
