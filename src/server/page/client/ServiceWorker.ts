/** Keeps all files of the page without a server, so that it opens without a network. It begins with the list of them. */

interface Files {
  /** Changes with any of them. */
  readonly version: string
  /** Relative to this script. */
  readonly paths: ReadonlyArray<string>
}

/** An event of a service worker, which waits for what is promised to it. */
interface Extended extends Event {
  readonly waitUntil: (work: Promise<unknown>) => void
}

interface Fetched extends Event {
  readonly request: Request
  readonly respondWith: (answer: Promise<Response>) => void
}

declare const files: Files

const prefix = "segformer-"
const name = prefix + files.version

/** What the page has just loaded is not asked for a second time; the document may be older than its parts. */
const requests = files.paths.map(
  (path) => new Request(path, { cache: path === "./" ? "no-cache" : "force-cache" })
)

/** Some hosts answer for what they lack with their start page, and say that all is well. */
const isRight = (response: Response, at: number): boolean =>
  response.ok &&
  (files.paths[at] === "./" || !(response.headers.get("content-type") ?? "").includes("text/html"))

/** All of it, or this version never comes to be, and the one before stays. */
const begin = async (): Promise<void> => {
  const found = await Promise.all(requests.map((request) => fetch(request)))
  const wrong = found.find((response, at) => !isRight(response, at))
  if (wrong !== undefined) throw new Error(`${wrong.url} does not come`)
  const cache = await caches.open(name)
  await Promise.all(found.map((response, at) => cache.put(requests[at]!, direct(response))))
}

/** What was redirected may not answer for a document. */
const direct = (response: Response): Response =>
  response.redirected ? new Response(response.body, response) : response

const take = async (): Promise<void> => {
  const old = (await caches.keys()).filter((one) => one.startsWith(prefix) && one !== name)
  await Promise.all(old.map((one) => caches.delete(one)))
  const clients: unknown = Reflect.get(globalThis, "clients")
  if (typeof clients === "object" && clients !== null && "claim" in clients) {
    await (typeof clients.claim === "function" ? clients.claim() : undefined)
  }
}

const answer = async (request: Request): Promise<Response> => {
  const cache = await caches.open(name)
  const asked = request.mode === "navigate" ? "./" : request
  return (await cache.match(asked, { ignoreSearch: true })) ?? fetch(request)
}

const isExtended = (event: Event): event is Extended => "waitUntil" in event
const isFetched = (event: Event): event is Fetched => "respondWith" in event

addEventListener("install", (event) => {
  if (isExtended(event)) event.waitUntil(begin())
})
addEventListener("activate", (event) => {
  if (isExtended(event)) event.waitUntil(take())
})
addEventListener("fetch", (event) => {
  if (isFetched(event) && event.request.method === "GET") event.respondWith(answer(event.request))
})
