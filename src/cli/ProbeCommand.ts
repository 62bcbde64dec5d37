/** `segformer probe`: its flags and help. The work is in `Probe`, which is loaded when there is work. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"

const url = Argument.String("url").pipe(
  Argument.withDescription("Where the service is. Its key is read from SEGFORMER_API_KEY")
)

const flags = {
  url,
  model: Flag.String("model").pipe(
    Flag.withAlias("m"),
    Flag.withMetavar("NAME"),
    Flag.withDescription("The model's name, where you know it: some protocols ask for it"),
    Flag.optional
  ),
  image: Flag.String("image").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Send this image, once, to see what comes back. Without it none is sent"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print a JSON object"), Flag.withDefault(false))
}

export const command = Command.make("probe", flags, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("./Probe.ts")),
    ({ run }) =>
      run({
        url: options.url,
        model: Option.getOrUndefined(options.model),
        image: Option.getOrUndefined(options.image),
        json: options.json
      })
  )
).pipe(
  Command.withShortDescription("Find out what a service speaks"),
  Command.withDescription(
    "Find out which protocol a service speaks, whether it is ready, and which model it has, by at most ten requests, and print the layer to write. Exit code 0 if it can segment now, 3 if not."
  ),
  Command.withExamples([
    { command: "segformer probe http://127.0.0.1:8080", description: "Ask, without an image" },
    {
      command: "segformer probe http://127.0.0.1:8080 --image panel.jpg",
      description: "And see what comes back for an image"
    }
  ])
)
