/**
 * Ways in which mask data can be wrong: sizes that do not match their data, ids outside the classes, bytes that
 * are no picture. Functions of this room are pure and return `Result`; `Effect.fromResult` makes an
 * effect of one.
 */
import { Schema } from "effect"

/**
 * Mask data that contradicts itself or its format.
 *
 * `mask` names which one ("label map", "mask 2 of 5: scratch", "segmentation.counts"), `detail` says what was
 * found and what was expected.
 */
export class MaskNotDecodable extends Schema.TaggedError<MaskNotDecodable>()("MaskNotDecodable", {
  mask: Schema.String,
  detail: Schema.String,
  service: Schema.optionalKey(Schema.String),
  requestId: Schema.optionalKey(Schema.String)
}) {
  /** Never: the same bytes would be as wrong again, and a job would be paid twice. */
  get isRetryable(): boolean {
    return false
  }
  get concerns(): "service" {
    return "service"
  }
  get isTransient(): boolean {
    return false
  }
  override get message(): string {
    const by = this.service === undefined ? "" : ` in the answer of ${this.service}`
    return `Cannot decode the mask "${this.mask}"${by}: ${this.detail}`
  }
}
