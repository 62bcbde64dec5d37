/** `SEGFORMER_SERVICE_URL`, which says who segments where the command line does not. */
import { Effect } from "effect"
import * as SegFormerConfig from "../http/SegFormerConfig.ts"
import * as Variable from "../policy/Variable.ts"
import * as ExitCode from "./ExitCode.ts"
import type * as Flags from "./Flags.ts"
import * as Screen from "./Screen.ts"

/** {@link Flags.Said} of a command, and what else it may say. */
export interface Said extends Flags.Said {
  readonly sessions?: number | undefined
  readonly quiet?: boolean | undefined
}

const names = ["url", "service", "variant", "threshold", "modelOutput", "provider", "sessions"] as const

const isSaid = (said: Said): boolean =>
  names.some((name) => said[name] !== undefined) || (said.model !== undefined && said.model.length > 0)

/** Said where the environment names a service, and what is compared is of this machine. */
export const passedOver = (options: Said): Effect.Effect<void> => {
  const { name } = SegFormerConfig.serviceVariables.baseUrl
  return isSaid(options) || options.quiet === true
    ? Effect.void
    : Effect.flatMap(Variable.text(name), (url) =>
        url === undefined
          ? Effect.void
          : Screen.complain(
              `the model in this package segments, and not the service of ${name}: for that give --url`
            )
      )
}

/** The same with the address of the variable, and a line of it: nobody would look for it there. */
export const orVariable = Effect.fnUntraced(function* <Options extends Said>(
  options: Options
): Effect.fn.Return<Options, ExitCode.Ended> {
  if (isSaid(options)) return options
  const { name } = SegFormerConfig.serviceVariables.baseUrl
  const reader = Variable.reader()
  const url = yield* reader.read(SegFormerConfig.serviceVariables.baseUrl)
  yield* Effect.mapError(reader.done, (error) =>
    ExitCode.wrong(`the configuration is not usable: ${Variable.wordsOf(error)}`)
  )
  if (url === undefined) return options
  const { origin, pathname } = new URL(url)
  if (options.quiet !== true)
    yield* Screen.complain(
      `${origin}${pathname} segments, as ${name} says. Empty it for the model in this package, or give --model`
    )
  return { ...options, url }
})
