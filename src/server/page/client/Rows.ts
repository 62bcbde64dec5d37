/** Tables that are walked by keys. */

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
    const rows: Readonly<Record<string, number>> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: all.length - 1
    }
    const next = rows[event.key]
    const button = next === undefined ? undefined : all[next]
    if (button === undefined) return
    event.preventDefault()
    button.focus()
  })
  return () => stop(buttons()[0])
}
