/** Code that does what the page just did. */

export interface Deed {
  /** Of this server, such as `http://127.0.0.1:8080`. */
  readonly origin: string
  readonly model: string
  readonly file: string
  /** Whether the server asks for one. */
  readonly token: boolean
}

export type Language = "typescript" | "curl"

export const languages = ["typescript", "curl"] as const

export const snippet = (language: Language, deed: Deed): string =>
  language === "curl" ? curl(deed) : typescript(deed)

const address = ({ model, origin }: Deed): string => `${origin}/v1/segment?model=${encodeURIComponent(model)}`

const typescript = (deed: Deed): string =>
  `import { openAsBlob } from "node:fs"

const response = await fetch(${JSON.stringify(address(deed))}, {
  method: "POST",${deed.token ? "\n  headers: { authorization: `Bearer ${process.env.TOKEN}` }," : ""}
  body: await openAsBlob(${JSON.stringify(deed.file)})
})
if (!response.ok) throw new Error(await response.text())

const { classes, regions } = await response.json()
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
