/**
 * Options of which each may be a `Config`, down to those within parts that may also be off: `Config.Wrap` of Effect ends where
 * a part is a flag as well, as `retry: false | { … }` is.
 *
 * ```ts
 * import { Config, ConfigProvider, Effect } from "effect"
 * import { Policy, Wrapped } from "effect-segformer/policy"
 *
 * const config = Wrapped.unwrap<Policy.PolicyOptions>({ retry: { times: Config.Int("TRIES") } })
 * const provider = ConfigProvider.fromEnv({ env: { TRIES: "5" } })
 * await Effect.runPromise(config.parse(provider)) // => { retry: { times: 5 } }
 * ```
 */
import { Config } from "effect"

/** A value from configuration, or a `Config` for each part of it. */
export type Wrap<A> =
  | Config.Config<A>
  | ([Exclude<A, Simple>] extends [infer Options]
      ? IsOptions<Options> extends true
        ? { readonly [Name in keyof Options]: Wrap<Options[Name]> | Extract<Options[Name], undefined> }
        : never
      : never)

/** What has no parts. */
type Simple = string | number | bigint | boolean | null | undefined

/** Names alone, and at least one: no list, function or union of things that have nothing in common. */
type IsOptions<A> = [A] extends [object]
  ? [keyof A] extends [never]
    ? false
    : [keyof A] extends [string]
      ? true
      : false
  : false

/** The `Config` of the whole. A part that is `undefined` is left out. */
export function unwrap<A>(wrapped: Wrap<A>): Config.Config<A>
export function unwrap(wrapped: object): unknown {
  if (Config.isConfig(wrapped)) return wrapped
  const parts = Object.entries(wrapped).filter(([, part]) => part !== undefined)
  return Config.all(Object.fromEntries(parts.map(([name, part]) => [name, unwrap<unknown>(part)])))
}
