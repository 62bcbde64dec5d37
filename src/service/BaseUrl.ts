/** Where a service lives, and the addresses of its routes below. */
import { Effect } from "effect"
import { withoutQuery } from "./Body.ts"
import { InvalidUrl } from "./WireError.ts"

/** An address that cannot be used, and why. */
export const invalid = (url: string, detail: string) => Effect.fail(new InvalidUrl({ url, detail }))

/** The parts of a base URL, or why it is none. */
export const parse = (baseUrl: string): Effect.Effect<URL, InvalidUrl> =>
  Effect.suspend(() => {
    // A variable of the environment that is not set, behind the types.
    const given = baseUrl ?? ""
    const url = URL.canParse(given) ? new URL(given) : undefined
    // Whatever may be a password or a token in it is not for errors.
    const written = withoutQuery(String(given)).replace(/^.*@/s, "")
    if (url === undefined) return invalid(written, "write it whole, such as http://localhost:8080")
    const safe = url.host === "" ? written : `${url.protocol}//${url.host}${url.pathname}`
    if (url.protocol !== "http:" && url.protocol !== "https:")
      return invalid(safe, "it must start with http:// or https://")
    if (url.username !== "" || url.password !== "") {
      return invalid(
        safe,
        "a name and password do not belong in it. Give the key as `apiKey`, or as a header"
      )
    }
    return Effect.succeed(url)
  })

/** Origin and path, without a slash at its end: what errors call the service. */
export const prefixOf = ({ origin, pathname }: URL): string => origin + pathname.replace(/\/+$/, "")

/** An address that is a route itself is called as it is written: a proxy may have it with its slash alone. */
export const addressOf = (base: URL, path: string): string =>
  (/^(?:\?|$)/.test(path) ? base.origin + base.pathname : prefixOf(base)) + path

/** The same with the query of the base URL, after its own where it has one. */
export const requestOf = (base: URL, path: string): string => {
  const address = addressOf(base, path)
  return address + (address.includes("?") ? base.search.replace("?", "&") : base.search)
}
