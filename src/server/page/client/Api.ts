/** The server's `/v1`, and what may go wrong on the way as sentences. */
import type { Asked } from "./Asked.ts"
import { Failure } from "./Failure.ts"
import { fields } from "./Fields.ts"
import { decode, type Packed } from "./Result.ts"
import * as Server from "./Server.ts"
import { bytes } from "./Text.ts"
import { messageOf } from "./Text.ts"

export interface ModelClass {
  readonly id: number
  readonly name: string
  /** `#rrggbb`. */
  readonly color: string
}

export interface Model {
  readonly name: string
  readonly isDefault: boolean
  /** Whether it runs elsewhere. */
  readonly isService: boolean
  readonly classes: ReadonlyArray<ModelClass>
}

const key = "segformer.token"

const keptToken = (): string => {
  try {
    return sessionStorage.getItem(key) ?? ""
  } catch {
    return ""
  }
}

let current = keptToken()

/** The token that the server asked for, as long as this tab is open. */
export const token = {
  get: (): string => current,
  set: (value: string): void => {
    current = value
    try {
      sessionStorage.setItem(key, value)
    } catch {
      // A browser that keeps nothing has it until the page is left.
    }
  }
}

export const models = async (): Promise<ReadonlyArray<Model>> => {
  const answer = await json(await send({ path: "v1/models", method: "GET", headers: {} }))
  return agreed(() =>
    fields(answer).list("models", (one) => ({
      name: one.string("name"),
      isDefault: one.boolean("default"),
      isService: one.string("kind") === "service",
      classes: one.list("classes", (of) => ({
        id: of.number("id"),
        name: of.string("name"),
        color: of.string("color")
      }))
    }))
  )
}

/** What the server's default model sees, where no other is named. */
export const segment = async (file: File, model: string, signal: AbortSignal): Promise<Packed> => {
  const answer = await json(
    await post(file, { model, include: "labels,confidence" }, "application/json", signal)
  )
  return agreed(() => decode(answer))
}

/** What is there already, in another form: the picture is not sent, nor segmented, again. */
export const convert = async (body: unknown, accept: string, signal?: AbortSignal): Promise<Blob> => {
  const response = await send({
    path: "v1/export",
    method: "POST",
    body: JSON.stringify(body),
    headers: { accept, "content-type": "application/json" },
    signal
  })
  return response.blob().catch(unreachable)
}

/** What browsers show of an image that they cannot read: its pixels, as a PNG. */
export const picture = async (file: Blob): Promise<Blob> => {
  const response = await send({
    path: "v1/picture",
    method: "POST",
    // Its name says nothing of its pixels.
    body: new Blob([file]),
    headers: { accept: "image/png", "content-type": "application/octet-stream" }
  })
  return response.blob().catch(unreachable)
}

/** Bytes of one image that the server takes, where it says so. */
const maxBytes = Number(document.documentElement.dataset["maxBytes"] ?? 0)

const post = async (
  file: File,
  query: Record<string, string>,
  accept: string,
  signal?: AbortSignal
): Promise<Response> => {
  // A server that refuses a large body closes the connection while it is sent, and no browser shows its answer then.
  if (maxBytes > 0 && file.size > maxBytes) {
    throw new Failure(
      `${file.name} has ${bytes(file.size)}, and this server takes images of at most ${bytes(maxBytes)}`,
      413
    )
  }
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""))
  try {
    return await send({
      path: `v1/segment?${asked}`,
      method: "POST",
      body: file,
      headers: { accept },
      signal
    })
  } catch (error) {
    // What fails because the file cannot be read is not the server's fault.
    if (error instanceof Failure && error.status === 0) await readable(file)
    throw error
  }
}

/** Fails where a file is gone, or is another one now. */
export const readable = async (file: File): Promise<void> => {
  try {
    // Its last byte: a file that grew shorter has its first.
    await file.slice(Math.max(0, file.size - 1)).arrayBuffer()
  } catch {
    throw new Failure(
      `${file.name} cannot be read any more: it was changed, moved or deleted since. Choose it again`,
      400
    )
  }
}

/** Of the page's own folder, wherever a proxy has it. */
const send = async (asked: Asked): Promise<Response> => {
  const authorization = token.get() === "" ? {} : { authorization: `Bearer ${token.get()}` }
  const headers = { ...asked.headers, ...authorization }
  const response = await Server.ask({ ...asked, headers }).catch(unreachable)
  if (response.ok) return response
  const after = Number(response.headers.get("retry-after") ?? Number.NaN)
  throw new Failure(await refusal(response), response.status, after >= 0 ? after : undefined)
}

/** What `fetch` fails with, in a sentence. */
export const unreachable = (error: unknown): never => {
  if (error instanceof DOMException && error.name === "AbortError") throw error
  throw new Failure(
    Server.isLocal
      ? `The model does not run in this browser: ${messageOf(error)}`
      : "The server does not answer. Check that it still runs and that you are connected to it",
    0
  )
}

const refusal = async (response: Response): Promise<string> => {
  try {
    return fields(await response.json())
      .object("error")
      .string("message")
  } catch {
    return response.status === 401
      ? "This server asks for a token"
      : `The server answered with status ${response.status} and did not say why`
  }
}

const json = async (response: Response): Promise<unknown> => {
  try {
    return await response.json()
  } catch (error) {
    return error instanceof SyntaxError ? notUnderstood(error) : unreachable(error)
  }
}

/** Whatever reading an answer fails with: a field that is not as agreed, base64 or zlib that is none. */
const agreed = async <A>(read: () => A | Promise<A>): Promise<A> => {
  try {
    return await read()
  } catch (error) {
    return notUnderstood(error)
  }
}

const notUnderstood = (error: unknown): never => {
  const why = messageOf(error)
  throw new Failure(`The server's answer is not one that this page understands: ${why}`, 0)
}
