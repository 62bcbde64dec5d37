/**
 * Several segmenters in one program, by name: the first answers, unless a call chooses another. Each keeps its own policy,
 * queue and circuit.
 */
import { Context, Effect, Function, Layer } from "effect"
import { Transport } from "./Transport.ts"
import * as Members from "./TransportMembers.ts"

/** The segmenters by their names, as the layer provides them. */
export interface NamedMembers<out Names extends string> {
  readonly _: Names
}

export interface Named<Names extends string, E, R> {
  /** All of them, built once; the first one is the `Transport`. */
  readonly layer: Layer.Layer<Transport | NamedMembers<Names>, E, R>
  readonly names: ReadonlyArray<Names>
  /** Whether a text that comes from outside is one of the names. */
  readonly is: (name: string) => name is Names
  /** Has the segmentations within an effect done by the one of that name, data-first or data-last. */
  readonly use: {
    (
      name: Names
    ): <A, E, R>(
      self: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E, Exclude<R, Transport> | NamedMembers<Names>>
    <A, E, R>(
      self: Effect.Effect<A, E, R>,
      name: Names
    ): Effect.Effect<A, E, Exclude<R, Transport> | NamedMembers<Names>>
  }
}

let made = 0

/** Segmenters by name, from their layers. */
export function named<const Layers extends Readonly<Record<string, Members.AnyLayer>>>(
  layers: Layers
): Named<keyof Layers & string, Layer.Error<Layers[keyof Layers]>, Layer.Services<Layers[keyof Layers]>>
export function named(layers: Readonly<Record<string, Members.AnyLayer>>): Named<string, unknown, unknown> {
  const names = Object.keys(layers)
  const [first, ...rest] = Object.values(layers)
  if (first === undefined) throw new RangeError("Transports.named: there must be at least one")
  // Two sets in one program are two services.
  const key = Context.Service<NamedMembers<string>, ReadonlyMap<string, Transport["Service"]>>(
    `effect-segformer/Named/${made++}`
  )
  const use = (self: Effect.Effect<unknown, unknown, unknown>, name: string) =>
    Effect.flatMap(key, (members) => {
      const member = members.get(name)
      return member === undefined
        ? Effect.die(new RangeError(`Transports.named: there is no "${name}" among ${names.join(", ")}`))
        : Effect.provideService(self, Transport, member)
    })
  return {
    names,
    is: (name): name is string => Object.hasOwn(layers, name),
    layer: Layer.effectContext(
      Effect.map(Members.build([first, ...rest]), (members) =>
        Context.add(
          Context.make(Transport, members[0]),
          key,
          new Map(names.map((name, index) => [name, members[index]!]))
        )
      )
    ),
    use: Function.dual(2, use)
  }
}
