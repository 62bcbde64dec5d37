/** What a probe has found as the layer to write for it. */
import { Redacted } from "effect"
import type * as ProbeClue from "./ProbeClue.ts"
import * as Protocols from "./protocol/Protocols.ts"

/** The layer to write, as TypeScript. */
export const code = (
  baseUrl: string,
  clue: ProbeClue.Clue,
  settings: Protocols.Settings,
  needsKey: boolean
): string => {
  const { keyHeader, protocol } = clue
  const entry = Protocols.all[protocol]
  const quoted = JSON.stringify(baseUrl)
  const key = !needsKey
    ? ""
    : keyHeader === undefined
      ? ", apiKey"
      : `, headers: { ${JSON.stringify(keyHeader)}: apiKey }`
  const secret = Redacted.make("")
  // A title describes a hand-written server, and is no option of it.
  const told = {
    ...settings,
    apiKey: needsKey ? secret : undefined,
    model: protocol === "custom" ? undefined : (settings.model ?? "MODEL")
  }
  const code = entry?.code(entry.asksModel ? told : { ...told, model: undefined })
  const layer =
    protocol === "inspection" || code === undefined
      ? `SegFormerHttp.layer({ baseUrl: ${quoted}${key} })`
      : entry?.needsCodec === true
        ? `Layer.unwrap(\n  Effect.map(${code}, (protocol) =>\n    SegFormerHttp.layer({ baseUrl: ${quoted}${key}, protocol })\n  )\n).pipe(Layer.provide(SharpCodec.layer))`
        : `SegFormerHttp.layer({ baseUrl: ${quoted}${key}, protocol: ${code} })`
  return key === "" ? layer : `const apiKey = Redacted.make("…")\n${layer}`
}
