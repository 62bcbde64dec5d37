/**
 * Which protocol a service speaks that nobody has named one for: that of `segformer serve` where it says so, else the
 * inspection service's. It is asked once, before the first image, and never again once it has answered.
 */
import { Effect, Semaphore } from "effect"
import type { Palette } from "../mask/Palette.ts"
import type { Attempt } from "../policy/Attempt.ts"
import type { Exchange } from "../service/Exchange.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import * as Inspection from "./protocol/Inspection.ts"
import type { Protocol } from "./protocol/Protocol.ts"
import * as SegFormer from "./protocol/SegFormer.ts"

/** The protocol of a service, as one question and then for good. Fails only where nothing answers. */
export type Detect = (exchange: Exchange, attempt: Attempt) => Effect.Effect<Protocol, ServiceError>

/**
 * A service is ours by its list of models, or by how it refuses to show it. Whatever else it answers is no sign: another
 * service has no such route, and may say so as it likes.
 */
export const make = (
  options: {
    /** Which of our server's models. */
    readonly model?: string | undefined
  } = {}
): Detect => {
  const ours = SegFormer.make({ model: options.model })
  const other = Inspection.protocol
  const lock = Semaphore.makeUnsafe(1)
  const known = new WeakMap<Exchange, Protocol>()
  return (exchange, attempt) =>
    // Callers that come together ask once.
    lock.withPermit(
      Effect.suspend(() => {
        const before = known.get(exchange)
        if (before !== undefined) return Effect.succeed(before)
        return Effect.map(exchange.send({ method: "GET", path: SegFormer.modelsPath }, attempt), (answer) => {
          const isOurs = SegFormer.described(answer) !== undefined || SegFormer.isRefusal(answer)
          const found = isOurs ? ours : other
          // A server that is failing may be ours when it is well again.
          if (isOurs || answer.status < 500) known.set(exchange, found)
          return found
        })
      })
    )
}

/** A palette is for masks that are painted: whoever gives one has an inspection service. */
export const unlessPainted = (palette: Palette | undefined, model: string | undefined): Protocol | Detect =>
  palette === undefined ? make({ model }) : Inspection.make({ palette })
