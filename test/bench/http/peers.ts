/** The peers, from this folder's own package.json: the library does not depend on them. */
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

const require = createRequire(new URL("../package.json", import.meta.url))

interface Undici {
  readonly Agent: new () => object
  readonly FormData: new () => { set(name: string, value: Blob, fileName: string): void }
  readonly request: (
    url: string,
    options: { method: string; dispatcher: object; headers?: Record<string, string>; body: unknown }
  ) => Promise<{ readonly body: { text(): Promise<string> } }>
}

interface HuggingFace {
  readonly imageSegmentation: (options: {
    endpointUrl: string
    accessToken: string
    inputs: Blob
  }) => Promise<ReadonlyArray<unknown>>
}

export const undici = async (): Promise<Undici> => await import(pathToFileURL(require.resolve("undici")).href)

export const huggingface = async (): Promise<HuggingFace> =>
  await import(pathToFileURL(require.resolve("@huggingface/inference")).href)
