/** What the page says: to a screen reader, in alerts, and while something is under way. */
import { byId, h } from "./Dom.ts"

/** For those who do not see the page change. */
export const say = (text: string): void => {
  byId("status", HTMLDivElement).textContent = text
}

/** What an alert is about: a second one about the same takes the place of the first. */
export type About = "models" | "image" | "file" | "room"

/** What a person can do about it. */
export interface Action {
  readonly name: string
  readonly act: () => void
}

const alerts = new Map<About, HTMLElement>()

/** A sentence about what went wrong, and what can be done. */
export const warn = (about: About, text: string, ...actions: ReadonlyArray<Action>): void => {
  const buttons = actions.map(({ act, name }) => {
    const button = h("button", { type: "button", class: "button small" }, name)
    button.addEventListener("click", () => {
      dismiss(about)
      act()
    })
    return button
  })
  const close = h("button", { type: "button", class: "button small quiet" }, "Dismiss")
  close.addEventListener("click", () => dismiss(about))
  const alert = h("div", { class: "alert", "data-about": about }, h("p", {}, text), ...buttons, close)
  alerts.get(about)?.remove()
  alerts.set(about, alert)
  byId("alerts", HTMLDivElement).append(alert)
}

export const dismiss = (about: About): void => {
  alerts.get(about)?.remove()
  alerts.delete(about)
}

let clock: ReturnType<typeof setInterval> | undefined

/** What is done now, and after a while how long it has taken; or how long it will be waited for. */
export const begin = (text: string, wait?: number): void => {
  end()
  byId("progress", HTMLDivElement).hidden = false
  byId("progress-text", HTMLSpanElement).textContent = text
  say(text)
  const began = performance.now()
  const time = byId("progress-time", HTMLSpanElement)
  const tick = () => {
    const passed = (performance.now() - began) / 1000
    time.textContent = `${wait === undefined ? Math.round(passed) : Math.max(0, Math.ceil(wait - passed))} s`
  }
  if (wait !== undefined) tick()
  clock = setInterval(tick, 1000)
}

/** Nothing is under way any more. */
export const end = (): void => {
  clearInterval(clock)
  byId("progress-time", HTMLSpanElement).textContent = ""
  byId("progress", HTMLDivElement).hidden = true
}

export const isBusy = (): boolean => !byId("progress", HTMLDivElement).hidden

/** To be called once. */
export const listen = (onCancel: () => void): void => {
  byId("cancel", HTMLButtonElement).addEventListener("click", onCancel)
}
