/** Code that does what the page just did. */

export interface Deed {
  /** Of this server, such as `http://127.0.0.1:8080`; `undefined` where there is none. */
  readonly origin: string | undefined
  readonly model: string
  readonly file: string
  /** Whether the server asks for one. */
  readonly token: boolean
}

export const languages = ["effect", "fetch", "curl"] as const
export type Language = (typeof languages)[number]

export const snippet = (language: Language, deed: Deed): string => {
  const { origin } = deed
  return origin === undefined ? local(deed) : ofServer(language, { ...deed, origin })
}

type Served = Deed & { readonly origin: string }

/** With the model here, as the page has it in the browser. */
const local = ({ file }: Deed): string => `import { NodeFileSystem } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"

const program = Effect.gen(function* () {
  const found = yield* segment(ImageSource.file(${JSON.stringify(file)}))
  for (const region of yield* found.regions) console.log(region.className, region.area)
})

const layer = Layer.provideMerge(SegFormerOnnx.layer(), Layer.merge(SharpCodec.layer, NodeFileSystem.layer))
await Effect.runPromise(Effect.provide(program, layer))
`

const ofServer = (language: Language, deed: Served): string => {
  switch (language) {
    case "effect":
      return effect(deed)
    case "fetch":
      return plain(deed)
    case "curl":
      return curl(deed)
  }
}

const address = ({ model, origin }: Served): string =>
  `${origin}/v1/segment?model=${encodeURIComponent(model)}`

const effect = ({ file, model, origin, token }: Served): string => {
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

const plain = (deed: Served): string =>
  `import { openAsBlob } from "node:fs"

const response = await fetch(${JSON.stringify(address(deed))}, {
  method: "POST",${deed.token ? "\n  headers: { authorization: `Bearer ${process.env.TOKEN}` }," : ""}
  body: await openAsBlob(${JSON.stringify(deed.file)})
})
if (!response.ok) throw new Error(await response.text())

const { classes } = await response.json()
for (const { name, share } of classes) console.log(name, share)
`

const curl = (deed: Served): string =>
  [
    `curl ${quoted(address(deed))}`,
    ...(deed.token ? [`--header "Authorization: Bearer $TOKEN"`] : []),
    `--header "Content-Type: application/octet-stream"`,
    `--data-binary ${quoted(`@${deed.file}`)}`
  ].join(" \\\n  ")

/** For a shell: within single quotes nothing has a meaning of its own. */
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`
