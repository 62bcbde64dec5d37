/** Who answers `/v1`: the server that the page comes from, or where it comes from none, a worker of the browser. */
import type { Asked } from "./Asked.ts"
import { ask as askLocal } from "./Local.ts"

/** Fails with a `DOMException` of `AbortError` when the signal says so, and with anything else where no answer comes. */
type Server = (asked: Asked) => Promise<Response>

const askRemote: Server = ({ body, path, signal, ...asked }) => {
  const init: RequestInit = { ...asked, body: formed(body), signal: signal ?? null }
  return fetch(path, init)
}

/** A file goes as a form, so that the server knows what it is called. */
const formed = (body: Asked["body"]): BodyInit | null => {
  if (!(body instanceof File)) return body ?? null
  const form = new FormData()
  form.append("image", body, body.name)
  return form
}

/** Whether the model runs in this browser. */
export const isLocal = document.documentElement.dataset["local"] !== undefined

/** Asks it. */
export const ask: Server = isLocal ? askLocal : askRemote
