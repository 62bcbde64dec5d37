/** `segformer page`: its flags and help. */
import { Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"

const flags = {
  out: Flags.out("directory").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDescription("The folder to write the site to. It is made where there is none")
  ),
  model: Flags.model,
  proxy: Flags.remote.proxy,
  ca: Flags.remote.ca
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const command = Command.make("page", flags).pipe(
  Command.withShortDescription("Write the page as a site without a server"),
  Command.withDescription(
    "Write the page of segformer serve as files for any web host, with the model in them: it runs in the visitor's browser, which sends pictures nowhere, and works without a network after the first visit. It needs the packages onnxruntime-web and @jsquash/jpeg. The files are to be served over HTTPS, or at this machine's own address."
  ),
  Command.withExamples([
    { command: "segformer page --out site", description: "With the model in this package" },
    {
      command: "segformer page --out site --model Xenova/segformer-b0-finetuned-ade-512-512",
      description: "With a model of the Hugging Face Hub"
    }
  ])
)
