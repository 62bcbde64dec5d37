/** The code that does what the page did, to be copied. */
import { byId } from "./Dom.ts"
import { say } from "./Notices.ts"
import { type Deed, type Language, languages, snippet } from "./Snippets.ts"

let language: Language = "effect"
let shown: Deed | undefined

export const show = (deed: Deed): void => {
  shown = deed
  byId("code", HTMLPreElement).textContent = snippet(language, deed)
}

/** To be called once. */
export const listen = (): void => {
  const choice = byId("languages", HTMLDivElement)
  choice.addEventListener("click", ({ target }) => {
    const asked = target instanceof HTMLButtonElement ? target.dataset["language"] : undefined
    const found = languages.find((one) => one === asked)
    if (found === undefined) return
    language = found
    for (const button of choice.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button === target))
    }
    if (shown !== undefined) show(shown)
  })
  byId("copy", HTMLButtonElement).addEventListener("click", () => void copy())
}

const copy = async (): Promise<void> => {
  const code = byId("code", HTMLPreElement)
  const button = byId("copy", HTMLButtonElement)
  getSelection()?.selectAllChildren(code)
  // Browsers let only pages of this machine, or over TLS, write to the clipboard by themselves.
  const copied = await navigator.clipboard?.writeText(code.textContent ?? "").then(
    () => true,
    () => false
  )
  if (copied) getSelection()?.removeAllRanges()
  button.textContent = copied ? "Copied" : "Selected"
  say(copied ? "The code is in the clipboard" : "The code is selected: copy it")
  setTimeout(() => {
    button.textContent = "Copy"
  }, 2000)
}
