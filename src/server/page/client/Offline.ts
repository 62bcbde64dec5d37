/** The page without a network: a service worker keeps all that it is made of. */
import * as Workers from "./Workers.ts"

const register = async (url: string): Promise<void> => {
  Workers.allow()
  const workers = navigator.serviceWorker
  const isNew = workers.controller === null
  const registered = await workers.register(url)
  if (!isNew) return
  // It is in charge as soon as it has everything.
  await new Promise<void>((resolve, reject) => {
    workers.addEventListener("controllerchange", () => resolve(), { once: true })
    const found = registered.installing ?? registered.waiting
    found?.addEventListener("statechange", () => {
      if (found.state === "redundant") reject(new Error("It could not keep all there is"))
    })
    if (registered.active !== null) resolve()
  })
}

/** Settled once it is in charge, or it is clear that there will be none: the page works without, but for a network. */
export const ready: Promise<void> =
  Workers.offline === undefined || !("serviceWorker" in navigator)
    ? Promise.resolve()
    : register(Workers.offline).catch(() => {})
