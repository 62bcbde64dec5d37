/** What `segformer serve` tells the dialects of annotation tools: its flags, and what the environment says of Label Studio. */
import { Config, Effect, Redacted } from "effect"
import type { AnnotationOptions, LabelStudioDialect } from "../server/index.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"
import type { Options } from "./ServeCommand.ts"

/** What is told. */
export interface AnnotationDialects {
  readonly annotation: AnnotationOptions
  readonly labelStudio?: LabelStudioDialect.LabelStudioDialectOptions | undefined
}

/** The first of these variables that is set. */
const variable = (...names: ReadonlyArray<string>): Effect.Effect<string | undefined> =>
  Effect.map(
    Effect.forEach(names, (name) => Effect.orElseSucceed(Config.String(name), () => "")),
    (values) => values.find((value) => value.trim() !== "")?.trim()
  )

export const optionsOf = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<AnnotationDialects, ExitCode.Ended> {
  const { minArea, objects, tolerance } = options
  const annotation = { per: objects, minArea, tolerance }
  if (!options.protocol.includes("labelstudio")) return { annotation }
  const written = yield* variable("LABEL_STUDIO_URL", "LABEL_STUDIO_HOST")
  const given = written === undefined || !URL.canParse(written) ? undefined : new URL(written)
  const url = options.labelStudio ?? given
  if (url === undefined && written !== undefined)
    return yield* ExitCode.wrong(
      `LABEL_STUDIO_URL is "${written}", and no address such as http://localhost:8080`
    )
  if (url !== undefined && (url.username !== "" || url.password !== ""))
    return yield* ExitCode.wrong(
      "the address of Label Studio has no name and password in it: its key is LABEL_STUDIO_API_KEY"
    )
  if (url !== undefined && !/^https?:$/.test(url.protocol))
    return yield* ExitCode.wrong("the address of Label Studio starts with http:// or https://")
  const key = yield* variable("LABEL_STUDIO_API_KEY", "LABEL_STUDIO_ACCESS_TOKEN")
  if (key !== undefined && /[^\x20-\x7e]/.test(key))
    return yield* ExitCode.wrong("LABEL_STUDIO_API_KEY has characters that no key has")
  const { wayOf } = yield* ExitCode.loaded(() => import("./Remote.ts"))
  const fingerprint = {
    ...(yield* Effect.all(
      options.model.slice(0, 1).map((model) => Backend.modelFingerprint({ ...options, model }))
    ))[0],
    ...Backend.fingerprint(yield* Backend.settingsOf({ service: options.service, palette: options.palette }))
  }
  return {
    annotation,
    labelStudio: {
      ...(yield* wayOf(options)),
      url,
      key: key === undefined ? undefined : Redacted.make(key),
      hosts: Flags.listOf(options.imagesFrom),
      fingerprint: JSON.stringify([fingerprint, options.url])
    }
  }
})
