/** Lines of CSV by the rules of the library's own tables (`Csv` of `effect-segformer/mask`), which a test compares them with. */

/** What a spreadsheet takes for a formula, in any width and after any space. */
const formula = /^'*(?:[\t\r\n]|\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/

const field = (value: string | number): string => {
  const text = String(value)
  if (typeof value === "string" && formula.test(text)) return `"'${text.replaceAll('"', '""')}"`
  // A semicolon or a tab is what some spreadsheets cut at.
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** One line. */
export const line = (fields: ReadonlyArray<string | number>): string => `${fields.map(field).join(",")}\r\n`
