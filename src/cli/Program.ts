/** The `segformer` command and how it ends. */
import { ConfigProvider, Effect, Layer, Stdio } from "effect"
import { CliConfig, type CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { version } from "../version.ts"
import * as Arguments from "./Arguments.ts"
import * as BatchCommand from "./BatchCommand.ts"
import * as EvalCommand from "./EvalCommand.ts"
import * as ExitCode from "./ExitCode.ts"
import * as ExportCommand from "./ExportCommand.ts"
import * as Flags from "./Flags.ts"
import * as HealthCommand from "./HealthCommand.ts"
import * as PageCommand from "./PageCommand.ts"
import * as ProbeCommand from "./ProbeCommand.ts"
import * as Screen from "./Screen.ts"
import * as SegmentCommand from "./SegmentCommand.ts"
import * as ServeCommand from "./ServeCommand.ts"
import type { Said } from "./ServiceVariable.ts"
import * as TiledCommand from "./TiledCommand.ts"
import * as WorkerCommand from "./WorkerCommand.ts"
import * as WorkerRunsCommand from "./WorkerRunsCommand.ts"

/** Only where something is set that could be misspelt: the tables of all that is read are not loaded for nothing. */
const misspelt = Effect.suspend(() =>
  Object.keys(process.env).some((name) => /^segformers?_/i.test(name))
    ? Effect.flatMap(
        ExitCode.loaded(() => import("./Misspelt.ts")),
        ({ tell }) => tell(process.env, process.argv.slice(2))
      )
    : Effect.void
)

/** The work of a command: refused by its flags, or loaded now that there is some. */
const work =
  <Options, E, R>(
    load: () => Promise<{ readonly run: (options: Options) => Effect.Effect<unknown, E, R> }>,
    faults: (options: Options) => Flags.Faults = () => []
  ) =>
  (options: Options) =>
    Flags.refuse(faults(options)).pipe(
      Effect.tap(misspelt),
      Effect.andThen(ExitCode.loaded(load)),
      Effect.flatMap(({ run }) => run(options))
    )

/** The same of a command that segments, with the service that the environment names where the command line names nobody. */
const segmenting =
  <Options extends Said, E, R>(
    load: () => Promise<{ readonly run: (options: Options) => Effect.Effect<unknown, E, R> }>,
    faults: (options: Options) => Flags.Faults
  ) =>
  (options: Options) =>
    (process.env["SEGFORMER_SERVICE_URL"] ?? "") === ""
      ? work(load, faults)(options)
      : Effect.flatMap(
          ExitCode.loaded(() => import("./ServiceVariable.ts")),
          ({ orVariable }) => Effect.flatMap(orVariable(options), work(load, faults))
        )

/** On this machine, or on those of a database. */
const batch = async () => {
  const here = await import("./BatchRun.ts")
  return {
    run: (options: BatchCommand.Options) => {
      const { db } = options
      if (db === undefined) return here.run(options)
      return Effect.flatMap(
        ExitCode.loaded(() => import("./BatchCluster.ts")),
        ({ run }) => run({ ...options, db })
      )
    }
  }
}

/** Against a truth, or against one another. */
const evaluate = async () => {
  const [scores, agreement] = await Promise.all([import("./Eval.ts"), import("./EvalAgainst.ts")])
  return {
    run: (options: EvalCommand.Options) => {
      const { truth } = options
      if (truth === undefined) return agreement.run(options)
      return scores.run({ ...options, truth, against: options.against[0] })
    }
  }
}

export const command = Command.make("segformer").pipe(
  Command.withDescription(
    "Segment images with SegFormer: with the model in this package, one of your own, or a service.\n\nExit codes: 0 all " +
      "is well, 1 some images failed, 2 wrong command line, 3 the service or model cannot be used, 130 interrupted, 143 " +
      "terminated, 141 nobody reads what is printed."
  ),
  Command.withSubcommands([
    SegmentCommand.command.pipe(
      Command.withHandler(segmenting(() => import("./Segment.ts"), SegmentCommand.faults))
    ),
    TiledCommand.command.pipe(
      Command.withHandler(segmenting(() => import("./Tiled.ts"), TiledCommand.faults))
    ),
    BatchCommand.command.pipe(Command.withHandler(segmenting(batch, BatchCommand.faults))),
    ServeCommand.command.pipe(
      Command.withHandler(segmenting(() => import("./Serve.ts"), ServeCommand.faults))
    ),
    PageCommand.command.pipe(Command.withHandler(work(() => import("./Page.ts")))),
    HealthCommand.command.pipe(
      Command.withHandler(segmenting(() => import("./Health.ts"), HealthCommand.faults))
    ),
    ProbeCommand.command.pipe(Command.withHandler(work(() => import("./Probe.ts")))),
    EvalCommand.command.pipe(Command.withHandler(work(evaluate, EvalCommand.faults))),
    ExportCommand.command.pipe(Command.withHandler(work(() => import("./Export.ts"), ExportCommand.faults))),
    WorkerCommand.command.pipe(Command.withHandler(work(() => import("./Worker.ts"), WorkerCommand.faults))),
    WorkerRunsCommand.command.pipe(
      Command.withHandler(work(() => import("./WorkerRuns.ts"), WorkerRunsCommand.faults))
    )
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

const names = command.subcommands.flatMap((group) => group.commands.map(({ name }) => name))
const commands = names.join(", ")

/** Commands that a service can segment for. */
const ofServices = new Set(["segment", "tile", "batch", "serve", "health"])

/** What says instead what a flag was to say that there is none of, where nothing is called nearly so. */
const instead = (error: CliError.CliError, name: string | undefined): Effect.Effect<string> =>
  error._tag === "UnrecognizedOption" && error.suggestions.length === 0 && ofServices.has(name ?? "")
    ? ExitCode.loaded(() => import("./Misspelt.ts")).pipe(
        Effect.map(({ insteadOf }) => insteadOf(error.option)),
        Effect.match({
          onFailure: () => "",
          onSuccess: (said) => (said === undefined ? "" : `. Of a service, ${said} says it`)
        })
      )
    : Effect.succeed("")

/** Help goes to standard output; what is wrong with a command line is a line on standard error. */
const presenter = (args: ReadonlyArray<string>) =>
  CliOutput.layerPresenter({
    present: (event) => {
      if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
      const path = event.commandPath.join(" ")
      return Effect.andThen(
        Effect.forEach(
          event.errors,
          (error) =>
            Effect.flatMap(instead(error, event.commandPath[1]), (hint) =>
              Screen.complain(
                error._tag === "UnknownSubcommand" && error.suggestions.length === 0
                  ? `there is no command "${error.subcommand}". There are ${commands}`
                  : (Arguments.ofVariable(error, args, process.env) ??
                      // An address that is wrong may hold a password all the same.
                      error.message
                        .replaceAll(/\s+/g, " ")
                        .replace("Expected a string representing a finite number", "Expected: a number")
                        .replaceAll(/\/\/[^/@\s]*@/g, "//…@") + hint)
              )
            ),
          { discard: true }
        ),
        Effect.sync(() => {
          process.stderr.write(`Try: ${path} --help\n`)
        })
      )
    }
  })

const runWith = Command.runWith(command, { version, renderErrors: true })

/** Values without blanks around them, as all settings are read: files with the line ends of Windows leave one behind each. */
const trimmed = (provider: ConfigProvider.ConfigProvider): ConfigProvider.ConfigProvider =>
  ConfigProvider.make((path) =>
    Effect.map(provider.load(path), (node) => {
      if (node?._tag !== "Value" || node.value === node.value.trim()) return node
      return node.value.trim() === "" ? undefined : ConfigProvider.makeValue(node.value.trim())
    })
  )

/** The whole program, arguments from `Stdio`. Who asks for `help` is helped. */
export const program = Effect.flatMap(
  Effect.flatMap(Stdio.Stdio, ({ args }) => args),
  ([first, ...rest]) => {
    const [about] = rest
    const dashed = Arguments.dashed(first === undefined ? [] : [first, ...rest])
    if (dashed !== undefined) return Effect.fail(ExitCode.wrong(dashed))
    if (first !== "help") return runWith(first === undefined ? [] : [first, ...rest])
    // With `--help` beside it, a word that is no command would be passed over.
    return runWith(about !== undefined && !names.includes(about) ? rest : [...rest, "--help"])
  }
).pipe(
  Effect.updateService(ConfigProvider.ConfigProvider, trimmed),
  Effect.onInterrupt(() =>
    // A server has no other end, and who reads no more reads no word.
    ExitCode.stop.told || ExitCode.stop.served || ExitCode.stop.unread
      ? Effect.void
      : Screen.stopped(" before it was done. Nothing is half written: the same command begins anew")
  ),
  Effect.tapError((error) =>
    error instanceof ExitCode.Ended && error.reason !== undefined
      ? Screen.complain(error.reason)
      : Effect.void
  ),
  Effect.tapDefect((defect) =>
    Screen.complain(
      defect instanceof ExitCode.Ended
        ? defect.message
        : `failed by a mistake of its own: ${defect instanceof Error ? defect.stack : String(defect)}`
    )
  ),
  Effect.provide(
    Layer.mergeAll(
      Layer.unwrap(
        Effect.map(
          Effect.flatMap(Stdio.Stdio, ({ args }) => args),
          presenter
        )
      ),
      Screen.layerLog,
      CliConfig.layer({
        builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
      })
    )
  )
)
