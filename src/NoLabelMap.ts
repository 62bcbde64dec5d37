/** What is said where a label map is asked for and there is none. */
import { Schema } from "effect"
import * as ErrorKind from "./ErrorKind.ts"

/** The answer determines no label map: it has colour pictures or regions only. */
export class NoLabelMap extends ErrorKind.ofService<NoLabelMap>()("NoLabelMap", {
  source: Schema.String,
  transport: Schema.String,
  requestId: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `The answer of ${this.transport} for ${this.source} holds no label map, only what it rendered. Use \`pictures\` and \`regions\`, or give the palette of its mask as an option`
  }
}
