/** A file with a list in it as JSON, written piece by piece: one item a line. */
import type * as Steps from "./Steps.ts"

/** Items between two pauses. */
const perStep = 512

/** The list alone, after `head`, which goes before its first item: the pieces joined, and its end. */
export const make = (head: string) => {
  let before = `${head}\n`
  return {
    *steps<A>(items: Iterable<A>, each: (item: A) => unknown = (item) => item): Steps.Steps<string> {
      let text = ""
      let count = 0
      for (const item of items) {
        if (++count % perStep === 0) yield
        text += before + JSON.stringify(each(item))
        before = ",\n"
      }
      return text
    },
    end: () => `${before === ",\n" ? "" : head}]`
  }
}
