/** Workers of the page's own modules, under a policy that lets scripts come from nowhere else. */

interface TrustedTypes {
  readonly createPolicy: (
    name: string,
    rules: { readonly createScriptURL: (url: string) => string | undefined }
  ) => unknown
}

const isTrustedTypes = (value: unknown): value is TrustedTypes =>
  typeof value === "object" && value !== null && "createPolicy" in value

const folder = new URL(".", import.meta.url).href

/** Of the script that keeps the page for times without a network; `undefined` where a server answers. */
export const offline = ((): string | undefined => {
  const { local } = document.documentElement.dataset
  return local && new URL(local, document.baseURI).href
})()

let isAllowed = false

/** Says once, where the browser asks, that the page's own scripts are trusted. */
export const allow = (): void => {
  const trusted: unknown = Reflect.get(globalThis, "trustedTypes")
  if (isAllowed || !isTrustedTypes(trusted)) return
  isAllowed = true
  trusted.createPolicy("default", {
    createScriptURL: (url) => (url.startsWith(folder) || url === offline ? url : undefined)
  })
}

/** A worker that runs a module of the page, by its name. */
export const start = (name: string): Worker => {
  allow()
  return new Worker(`${folder}${name}.js`, { type: "module" })
}
