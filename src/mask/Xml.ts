/** Text in XML. Reading it is `effect/encoding`'s; what is written here is a few attributes, a piece at a time. */

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  // Readers take line breaks and tabs as they stand for spaces.
  "\n": "&#10;",
  "\r": "&#13;",
  "\t": "&#9;"
}

/** Characters that XML 1.0 has no way to write. */
const impossible = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]|\p{Cs}/u

/** Whether XML can hold a text. */
export const canHold = (text: string): boolean => !impossible.test(text)

/** A text between tags or quotes. */
export const escape = (text: string): string => text.replaceAll(/[&<>"\n\r\t]/g, (found) => escapes[found]!)

/** Attributes with a space before each. */
export const attributes = (values: Readonly<Record<string, string | number>>): string =>
  Object.entries(values)
    .map(([name, value]) => ` ${name}="${escape(String(value))}"`)
    .join("")
