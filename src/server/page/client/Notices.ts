/** What the page says: to a screen reader, in an alert, and while something is under way. */
import { byId } from "./Dom.ts"

/** For those who do not see the page change. */
export const say = (text: string): void => {
  byId("status", HTMLDivElement).textContent = text
}

let again: (() => void) | undefined

/** A sentence about what went wrong, and where it makes sense, a button to try again. */
export const warn = (text: string, retry?: () => void): void => {
  again = retry
  byId("alert-text", HTMLParagraphElement).textContent = text
  byId("alert-retry", HTMLButtonElement).hidden = retry === undefined
  byId("alert", HTMLDivElement).hidden = false
}

export const dismiss = (): void => {
  byId("alert", HTMLDivElement).hidden = true
}

let clock: ReturnType<typeof setInterval> | undefined

/** What is done now, and after a while how long it has taken. */
export const begin = (text: string): void => {
  end()
  byId("progress", HTMLDivElement).hidden = false
  byId("progress-text", HTMLSpanElement).textContent = text
  say(text)
  const began = performance.now()
  clock = setInterval(() => {
    byId("progress-time", HTMLSpanElement).textContent = `${Math.round((performance.now() - began) / 1000)} s`
  }, 1000)
}

/** Nothing is under way any more. */
export const end = (): void => {
  clearInterval(clock)
  byId("progress-time", HTMLSpanElement).textContent = ""
  byId("progress", HTMLDivElement).hidden = true
}

/** To be called once. */
export const listen = (onCancel: () => void): void => {
  byId("cancel", HTMLButtonElement).addEventListener("click", onCancel)
  byId("alert-close", HTMLButtonElement).addEventListener("click", dismiss)
  byId("alert-retry", HTMLButtonElement).addEventListener("click", () => {
    dismiss()
    again?.()
  })
}
