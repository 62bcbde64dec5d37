/** What is read out of a page. */

/** Targets of its links, those in code left out. */
export const linksOf = (text: string): ReadonlyArray<string> =>
  Array.from(
    text
      .replaceAll(/^```[\s\S]*?^```$/gm, "")
      .replaceAll(/`[^`\n]*`/g, "")
      .matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)/g),
    (match) => match[1]!
  )

/** Its blocks of code of one language. */
export const blocksOf = (text: string, language: string): ReadonlyArray<string> =>
  Array.from(
    text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm")),
    (match) => match[1]!
  )
