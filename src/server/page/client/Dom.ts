/** The document's elements, found by id and checked, and new ones. */

/** An element of the document that must be there, of the type it must have. */
export const byId = <E extends HTMLElement>(id: string, type: new () => E): E => {
  const found = document.getElementById(id)
  if (found instanceof type) return found
  throw new Error(`The document has no ${type.name} with the id "${id}"`)
}

/** A new element: `h("td", { class: "number" }, "12")`. An attribute that is `undefined` is left out. */
export const h = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | undefined>>,
  ...children: ReadonlyArray<Node | string>
): HTMLElementTagNameMap[K] => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, value)
  }
  element.append(...children)
  return element
}

/** A square in a class's colour, hollow for what is not coloured. Set by script: the page's policy forbids styles in markup. */
export const swatch = (color: string | undefined): HTMLElement => {
  const element = h("span", {
    class: color === undefined ? "swatch hollow" : "swatch",
    "aria-hidden": "true"
  })
  if (color !== undefined) element.style.backgroundColor = color
  return element
}
