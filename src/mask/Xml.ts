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

/** Whether XML 1.0 has a way to write a text: most control characters and halves of pairs it cannot hold. */
export const canHold = (text: string): boolean =>
  !/[\p{Cs}\uFFFE\uFFFF]|(?![\t\n\r\u007F-\u009F])\p{Cc}/u.test(text)

/** A text between tags or quotes. */
export const escape = (text: string): string => text.replaceAll(/[&<>"\n\r\t]/g, (found) => escapes[found]!)

/** Attributes with a space before each. */
export const attributes = (values: Readonly<Record<string, string | number>>): string =>
  Object.entries(values)
    .map(([name, value]) => ` ${name}="${escape(String(value))}"`)
    .join("")
