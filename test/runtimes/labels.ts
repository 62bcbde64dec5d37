/** The one program: what every runtime runs as it stands. Only the layer is another. */
import { Effect } from "effect"
import { ImageSource, segment, type SegmentationError, type Transport } from "effect-segformer"

export interface Picture {
  readonly name: string
  readonly bytes: Uint8Array
}

/** The size of each label map and the digest of its class ids, by the picture's name. */
export type Labels = Readonly<Record<string, string>>

const digest = (data: Uint8Array<ArrayBuffer>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", data)),
    (hash) => Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("")
  )

export const labels = (
  pictures: ReadonlyArray<Picture>
): Effect.Effect<Labels, SegmentationError, Transport> =>
  Effect.map(
    Effect.forEach(pictures, ({ bytes, name }) =>
      Effect.gen(function* () {
        const { data, height, width } = yield* (yield* segment(ImageSource.bytes(bytes, { name }))).labelMap
        return [name, `${width} x ${height} ${yield* digest(Uint8Array.from(data))}`] as const
      })
    ),
    Object.fromEntries
  )
