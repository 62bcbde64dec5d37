/** Examples in doc comments and pages, as programs that hold themselves to what they state (`// => value`). */
export const inDocComments = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/^ *\* ```ts\n((?: *\*.*\n)*?) *\* ```$/gm), (match) =>
    match[1]!.replaceAll(/^ *\* ?/gm, "")
  )

/** Whether an example states a result. */
export const states = (code: string): boolean => code.includes("// => ")

/** `expression // => value` becomes an assertion. */
const withAssertions = (code: string): string =>
  code.replaceAll(/^(.*\S) *\/\/ => (.*)$/gm, (_, expression: string, value: string) => {
    const assigned = /^const (\w+) = /.exec(expression)
    return assigned === null
      ? `assert.deepStrictEqual(${expression}, ${value})`
      : `${expression}\nassert.deepStrictEqual(${assigned[1]}, ${value})`
  })

/** The example as a module. */
export const moduleOf = (code: string): string => {
  const imports = states(code) ? `import assert from "node:assert/strict"\n` : ""
  return `${imports}${withAssertions(code)}\nexport {}\n`
}
