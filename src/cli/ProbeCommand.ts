/** `segformer probe`: its flags and help. */
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"

const flags = {
  url: Flags.service.pipe(
    Argument.withDescription("Where the service is. Its key is read from SEGFORMER_API_KEY")
  ),
  model: Flag.String("model").pipe(
    Flag.withAlias("m"),
    Flag.withMetavar("NAME"),
    Flag.withDescription("The model's name, where you know it: some protocols ask for it"),
    Flags.optional
  ),
  image: Flags.path("image", "file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Send this image, once, to see what comes back. Without it none is sent"),
    Flags.optional
  ),
  write: Flags.path("write", "file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Write what was found to a settings file, for --service of other commands. No key is written"
    ),
    Flags.optional
  ),
  header: Flags.remote.header,
  proxy: Flags.remote.proxy,
  ca: Flags.remote.ca,
  json: Flags.json
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const command = Command.make("probe", flags).pipe(
  Command.withShortDescription("Find out what a service speaks"),
  Command.withDescription(
    "Find out which protocol a service speaks, whether it is ready, and which model it has, by at most ten requests, and print the layer to write. Exit code 0 if it can segment now, 3 if not."
  ),
  Command.withExamples([
    { command: "segformer probe http://127.0.0.1:8080", description: "Ask, without an image" },
    {
      command: "segformer probe http://127.0.0.1:8080 --image panel.jpg",
      description: "And see what comes back for an image"
    },
    {
      command:
        "segformer probe http://lab:5000 --write lab.json && segformer segment --service lab.json panel.jpg",
      description: "And call it so"
    }
  ])
)
