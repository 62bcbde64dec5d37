/** Code that does what the page just did. */

export interface Deed {
  /** Of this server, such as `http://127.0.0.1:8080`. */
  readonly origin: string
  readonly model: string
  readonly file: string
  /** Whether the server asks for one. */
  readonly token: boolean
}

export const languages = ["effect", "fetch", "curl"] as const
export type Language = (typeof languages)[number]

export const snippet = (language: Language, deed: Deed): string => {
  switch (language) {
    case "effect":
      return effect(deed)
    case "fetch":
      return plain(deed)
    case "curl":
      return curl(deed)
  }
}

const address = ({ model, origin }: Deed): string => `${origin}/v1/segment?model=${encodeURIComponent(model)}`

const effect = ({ file, model, origin, token }: Deed): string => {
  const authorized = `{
    baseUrl: ${JSON.stringify(origin)},
    transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
  }`
  return `import { readFile } from "node:fs/promises"
import { ${token ? "Config, Effect" : "Effect"} } from "effect"
import { ${token ? "FetchHttpClient, HttpClient, HttpClientRequest" : "FetchHttpClient"} } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { SegFormerApi } from "effect-segformer/server"

const program = Effect.gen(function* () {
${token ? '  const token = yield* Config.Redacted("TOKEN")\n' : ""}\
  const api = yield* HttpApiClient.make(SegFormerApi, ${token ? authorized : `{ baseUrl: ${JSON.stringify(origin)} }`})
  const payload = yield* Effect.promise(() => readFile(${JSON.stringify(file)}))
  return yield* api.segment.image({ payload, query: { model: ${JSON.stringify(model)} }, headers: {} })
})

const found = await Effect.runPromise(Effect.provide(program, FetchHttpClient.layer))
if (typeof found === "object" && "regions" in found) {
  for (const { name, share } of found.classes) console.log(name, share)
}
`
}

const plain = (deed: Deed): string =>
  `import { openAsBlob } from "node:fs"

const response = await fetch(${JSON.stringify(address(deed))}, {
  method: "POST",${deed.token ? "\n  headers: { authorization: `Bearer ${process.env.TOKEN}` }," : ""}
  body: await openAsBlob(${JSON.stringify(deed.file)})
})
if (!response.ok) throw new Error(await response.text())

const { classes } = await response.json()
for (const { name, share } of classes) console.log(name, share)
`

const curl = (deed: Deed): string =>
  [
    `curl ${quoted(address(deed))}`,
    ...(deed.token ? [`--header "Authorization: Bearer $TOKEN"`] : []),
    `--header "Content-Type: application/octet-stream"`,
    `--data-binary ${quoted(`@${deed.file}`)}`
  ].join(" \\\n  ")

/** For a shell: within single quotes nothing has a meaning of its own. */
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`
