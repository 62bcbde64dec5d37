/** Asks for the token of a server that lets nobody in without one. */
import { token } from "./Api.ts"
import { byId } from "./Dom.ts"

/** Whether one was given; it is kept for this tab. */
export const ask = (): Promise<boolean> => {
  const dialog = byId("token", HTMLDialogElement)
  const input = byId("token-value", HTMLInputElement)
  if (isOpen()) return Promise.resolve(false)
  const known = token.get() !== ""
  byId("token-text", HTMLParagraphElement).textContent = known
    ? "It does not know the token you gave. Check it and try again."
    : "Whoever runs it has one for you. It is kept until you close this tab."
  input.value = ""
  dialog.returnValue = ""
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        const given = dialog.returnValue === "given"
        if (given) token.set(input.value.trim())
        input.value = ""
        resolve(given)
      },
      { once: true }
    )
  })
}

export const isOpen = (): boolean => byId("token", HTMLDialogElement).open

/** To be called once. */
export const listen = (): void => {
  const dialog = byId("token", HTMLDialogElement)
  byId("token-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close())
  dialog.querySelector("form")?.addEventListener("submit", (event) => {
    event.preventDefault()
    dialog.close("given")
  })
}
