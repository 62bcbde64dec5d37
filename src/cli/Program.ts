/** The `segformer` command and how it ends. */
import { Effect, Layer } from "effect"
import { CliConfig, CliOutput, Command, GlobalFlag } from "effect/cli"
import { version } from "../version.ts"
import * as BatchCommand from "./BatchCommand.ts"
import * as EvalCommand from "./EvalCommand.ts"
import * as ExitCode from "./ExitCode.ts"
import * as ExportCommand from "./ExportCommand.ts"
import * as HealthCommand from "./HealthCommand.ts"
import * as ProbeCommand from "./ProbeCommand.ts"
import * as Screen from "./Screen.ts"
import * as SegmentCommand from "./SegmentCommand.ts"
import * as ServeCommand from "./ServeCommand.ts"
import * as TiledCommand from "./TiledCommand.ts"
import * as WorkerCommand from "./WorkerCommand.ts"
import * as WorkerRunsCommand from "./WorkerRunsCommand.ts"

export const command = Command.make("segformer").pipe(
  Command.withDescription(
    "Segment images with SegFormer: with the model in this package, one of your own, or a service.\n\nExit codes: 0 all " +
      "is well, 1 some images failed, 2 wrong command line, 3 the service or model cannot be used, 130 interrupted, 143 " +
      "terminated, 141 nobody reads what is printed."
  ),
  Command.withSubcommands([
    SegmentCommand.command,
    TiledCommand.command,
    BatchCommand.command,
    ServeCommand.command,
    HealthCommand.command,
    ProbeCommand.command,
    EvalCommand.command,
    ExportCommand.command,
    WorkerCommand.command,
    WorkerRunsCommand.command
  ]),
  Command.withExamples([
    {
      command: "segformer segment panel.jpg",
      description: "Writes segformer-out/panel.overlay.png and more"
    },
    { command: "segformer serve", description: "Serves the model at http://127.0.0.1:8080" },
    { command: "segformer --completions bash >> ~/.bashrc", description: "Completions for a shell" }
  ])
)

/** Help goes to standard output; what is wrong with a command line is a line on standard error. */
const presenter = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const path = event.commandPath.join(" ")
    return Effect.andThen(
      Effect.forEach(event.errors, (error) => Screen.complain(error.message.replaceAll(/\s+/g, " ")), {
        discard: true
      }),
      Effect.sync(() => {
        process.stderr.write(`Try: ${path} --help\n`)
      })
    )
  }
})

/** The whole program, arguments from `Stdio`. */
export const program = Command.run(command, { version, renderErrors: true }).pipe(
  Effect.tapError((error) =>
    error instanceof ExitCode.Ended && error.reason !== undefined
      ? Screen.complain(error.reason)
      : Effect.void
  ),
  Effect.tapDefect((defect) =>
    Screen.complain(
      `failed by a mistake of its own: ${defect instanceof Error ? defect.stack : String(defect)}`
    )
  ),
  Effect.provide(
    Layer.mergeAll(
      presenter,
      Screen.layerLog,
      CliConfig.layer({
        builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
      })
    )
  )
)
