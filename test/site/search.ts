/** The search of the site, in the browser: the index is fetched when somebody begins to type. */
import MiniSearch, { type SearchResult } from "minisearch"
import { options } from "./index-options.ts"

const script = document.querySelector<HTMLScriptElement>("script[data-root]")
const root = new URL(script?.dataset["root"] ?? "./", document.baseURI)
const input = document.querySelector<HTMLInputElement>("#search")
const list = document.querySelector<HTMLOListElement>("#found")

let index: Promise<MiniSearch> | undefined
const load = (): Promise<MiniSearch> =>
  (index ??= fetch(new URL("assets/search.json", root))
    .then((response) => response.text())
    .then((text) => MiniSearch.loadJSON(text, options)))

const item = (found: SearchResult): HTMLLIElement => {
  const entry = document.createElement("li")
  const link = document.createElement("a")
  link.href = new URL(String(found["path"]), root).href
  link.textContent = String(found["title"])
  const place = document.createElement("small")
  place.textContent = String(found["page"])
  entry.append(link, place)
  return entry
}

if (input !== null && list !== null) {
  input.disabled = false
  input.addEventListener("input", async () => {
    const words = input.value.trim()
    const found = words === "" ? [] : (await load()).search(words).slice(0, 12)
    // What was typed meanwhile has its own answer.
    if (input.value.trim() !== words) return
    list.replaceChildren(...found.map(item))
    list.hidden = words === ""
    if (words !== "" && found.length === 0) list.textContent = "Nothing is called so."
  })
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") list.hidden = true
    if (event.key === "/" && document.activeElement !== input) {
      event.preventDefault()
      input.focus()
    }
  })
}
