/** Buttons in rows that are walked by keys. */

/** Goes on from one of the buttons by the two keys for before and behind, and by Home and End. */
export const step = (
  event: KeyboardEvent,
  buttons: ReadonlyArray<HTMLElement>,
  at: number,
  [before, behind]: readonly [string, string]
): void => {
  const to = new Map([
    [before, at - 1],
    [behind, at + 1],
    ["Home", 0],
    ["End", buttons.length - 1]
  ]).get(event.key)
  const button = to === undefined ? undefined : buttons[to]
  if (button === undefined) return
  event.preventDefault()
  button.focus()
}

/**
 * One row of a table is a stop of the Tab key; arrow keys go from there. To be called once for a table; what it gives makes the
 * first row the stop, whenever the rows are others.
 */
export const walk = (table: HTMLTableElement): (() => void) => {
  const buttons = () => [...table.querySelectorAll<HTMLButtonElement>(".pick, .more .button")]
  const stop = (button: HTMLElement | undefined) => {
    for (const one of table.querySelectorAll("button")) one.tabIndex = one === button ? 0 : -1
  }
  table.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLButtonElement) stop(target)
  })
  table.addEventListener("keydown", (event) => {
    const row = event.target instanceof Element ? event.target.closest("tr") : null
    // Along a row: from its name to its settings, and back.
    const aside = { ArrowRight: ".more-of", ArrowLeft: ".pick" }[event.key]
    const beside = aside === undefined ? null : row?.querySelector<HTMLElement>(aside)
    if (beside !== null && beside !== undefined && event.target instanceof HTMLButtonElement) {
      event.preventDefault()
      beside.focus()
      return
    }
    if (!(event.target instanceof HTMLButtonElement)) return
    const all = buttons()
    const at = all.findIndex((one) => one === (row?.querySelector(".pick, .button") ?? event.target))
    step(event, all, at, ["ArrowUp", "ArrowDown"])
  })
  return () => stop(buttons()[0])
}
