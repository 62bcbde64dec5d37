/**
 * What an answer says beside its result, in every protocol: a header `Warning` (RFC 7234), which a client that knows
 * nothing of it reads over.
 */
import { Context, Effect } from "effect"
import * as ImageWarnings from "../companions/ImageWarnings.ts"

/** Of the request that a fiber answers. */
const Notes = Context.Reference<Set<string>>("effect-segformer/server/Notes", {
  defaultValue: () => new Set()
})

/** Notes something of the request that is answered. */
export const add = (text: string): Effect.Effect<void> => Effect.map(Notes, (notes) => void notes.add(text))

/** The answer to a request, and the headers that say what was noted meanwhile. */
export const collect = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, Readonly<Record<string, string>>], E, R> =>
  Effect.suspend(() => {
    const notes = new Set<string>()
    return Effect.map(Effect.provideService(self, Notes, notes), (answer) => [
      answer,
      notes.size === 0 ? {} : { warning: ImageWarnings.toHeader([...notes].slice(0, most)) }
    ])
  })

/** A form may have very many images, and headers have an end. */
const most = 8
