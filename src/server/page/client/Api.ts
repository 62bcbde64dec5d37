/** The server's `/v1`, and what may go wrong on the way as sentences. */
import { fields } from "./Fields.ts"
import { decode, type Result } from "./Result.ts"
import { bytes, sentence } from "./Text.ts"

export interface Model {
  readonly name: string
  readonly isDefault: boolean
  /** Whether it runs elsewhere. */
  readonly isService: boolean
}

/** A request that gave no result. Its message is for people. */
export class Failure extends Error {
  /** 401 asks for a token; 0 where no answer came at all. */
  readonly status: number
  constructor(message: string, status: number) {
    super(sentence(message))
    this.status = status
  }
}

const key = "segformer.token"

/** The token that the server asked for, as long as this tab is open. */
export const token = {
  get: (): string => sessionStorage.getItem(key) ?? "",
  set: (value: string): void => sessionStorage.setItem(key, value)
}

export const models = async (): Promise<ReadonlyArray<Model>> => {
  const answer = await json(await send("/v1/models", {}))
  return agreed(() =>
    fields(answer).list("models", (one) => ({
      name: one.string("name"),
      isDefault: one.boolean("default"),
      isService: one.string("kind") === "service"
    }))
  )
}

/** What the server's default model sees, where no other is named. */
export const segment = async (file: File, model: string, signal: AbortSignal): Promise<Result> => {
  const answer = await json(
    await post(file, { model, include: "labels,confidence" }, "application/json", signal)
  )
  return agreed(() => decode(answer))
}

/** The segmentation in another form, as a file. */
export const convert = async (file: File, model: string, accept: string): Promise<Blob> => {
  const response = await post(file, { model }, accept)
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
  // As a form, so that the server knows what the image is called.
  const body = new FormData()
  body.append("image", file, file.name)
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""))
  return send(`/v1/segment?${asked}`, { method: "POST", body, headers: { accept }, signal: signal ?? null })
}

const send = async (path: string, init: RequestInit): Promise<Response> => {
  const headers = new Headers(init.headers)
  if (token.get() !== "") headers.set("authorization", `Bearer ${token.get()}`)
  const response = await fetch(path, { ...init, headers }).catch(unreachable)
  if (response.ok) return response
  throw new Failure(await refusal(response), response.status)
}

/** What `fetch` fails with, in a sentence. */
export const unreachable = (error: unknown): never => {
  if (error instanceof DOMException && error.name === "AbortError") throw error
  throw new Failure(
    "The server does not answer. Check that it still runs and that you are connected to it",
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
  const why = error instanceof Error ? error.message : String(error)
  throw new Failure(`The server's answer is not one that this page understands: ${why}`, 0)
}
