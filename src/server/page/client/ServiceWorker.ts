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

const begin = async (): Promise<void> => {
  const cache = await caches.open(name)
  await cache.addAll(requests)
}

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
