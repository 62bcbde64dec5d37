/** The peers, from this folder's own package.json: the library does not depend on them. */
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

const require = createRequire(new URL("../package.json", import.meta.url))

interface Undici {
  readonly Agent: new () => object
  readonly request: (
    url: string,
    options: { method: string; dispatcher: object; headers: Record<string, string>; body: Uint8Array }
  ) => Promise<{ readonly statusCode: number; readonly body: { arrayBuffer(): Promise<ArrayBuffer> } }>
}

interface PLimit {
  readonly default: (concurrency: number) => <A>(work: () => Promise<A>) => Promise<A>
}

export const undici = async (): Promise<Undici> => await import(pathToFileURL(require.resolve("undici")).href)

export const pLimit = async (): Promise<PLimit> =>
  await import(pathToFileURL(require.resolve("p-limit")).href)
