/** A page of Markdown as HTML: headings with anchors as GitHub makes them, code in colours, links to where the site has their targets. */
import hljs from "highlight.js"
import { Marked, type Token, type Tokens } from "marked"

/** A heading, and the text beneath it up to the next one: what a search finds. */
export interface Section {
  readonly anchor: string
  readonly title: string
  readonly text: string
}

export interface Rendered {
  readonly title: string
  readonly html: string
  readonly sections: ReadonlyArray<Section>
}

export const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

/** Code in colours, by the language that a fence or a file's ending names. */
export const highlight = (code: string, language: string): string =>
  hljs.getLanguage(language) === undefined
    ? escape(code)
    : hljs.highlight(code, { language, ignoreIllegals: true }).value

/** Names of headings, each once on a page. */
export const anchors = (): ((heading: string) => string) => {
  const known = new Set<string>()
  return (heading) => {
    const plain = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-")
    let name = plain
    for (let i = 1; known.has(name); i++) name = `${plain}-${i}`
    known.add(name)
    return name
  }
}

/** A token's text without its marks. */
const plainOf = (tokens: ReadonlyArray<Token> | undefined): string =>
  (tokens ?? [])
    .map((token) =>
      "tokens" in token && token.tokens !== undefined
        ? plainOf(token.tokens)
        : "text" in token
          ? String(token.text)
          : ""
    )
    .join("")

const sectionsOf = (tokens: ReadonlyArray<Token>): ReadonlyArray<Section> => {
  const name = anchors()
  const found: Array<{ anchor: string; title: string; text: string }> = []
  for (const token of tokens) {
    if (token.type === "heading") {
      const title = plainOf(token.tokens)
      found.push({ anchor: name(title), title, text: "" })
    } else {
      const last = found.at(-1)
      if (last !== undefined)
        last.text += `${token.raw.replaceAll(/[`*_|#<>[\]()-]+/g, " ").replaceAll(/\s+/g, " ")} `
    }
  }
  return found
}

/** `link` gives the address of a target, and where it is an image that of the file. */
export const render = (text: string, link: (target: string) => string): Rendered => {
  const name = anchors()
  const marked = new Marked({
    gfm: true,
    renderer: {
      heading({ depth, tokens }: Tokens.Heading) {
        const anchor = name(plainOf(tokens))
        return `<h${depth} id="${anchor}"><a class="anchor" href="#${anchor}">${this.parser.parseInline(tokens)}</a></h${depth}>\n`
      },
      code({ lang, text }: Tokens.Code) {
        const language = (lang ?? "").split(/\s/)[0] ?? ""
        return `<pre><code class="hljs">${highlight(text, language)}</code></pre>\n`
      },
      link({ href, title, tokens }: Tokens.Link) {
        const named = title === null || title === undefined ? "" : ` title="${escape(title)}"`
        return `<a href="${escape(link(href))}"${named}>${this.parser.parseInline(tokens)}</a>`
      },
      image({ href, text }: Tokens.Image) {
        return `<img src="${escape(link(href))}" alt="${escape(text)}" loading="lazy">`
      },
      html({ text }: Tokens.HTML | Tokens.Tag) {
        return text.replaceAll(
          /\b(src|srcset|href)="([^"]+)"/g,
          (_, key: string, target: string) => `${key}="${escape(link(target))}"`
        )
      },
      table({ header, rows }: Tokens.Table) {
        const cell = (tag: string, { tokens }: Tokens.TableCell) =>
          `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`
        const row = (tag: string, cells: ReadonlyArray<Tokens.TableCell>) =>
          `<tr>${cells.map((each) => cell(tag, each)).join("")}</tr>`
        return `<div class="table"><table><thead>${row("th", header)}</thead><tbody>${rows.map((each) => row("td", each)).join("")}</tbody></table></div>\n`
      }
    }
  })
  const tokens = marked.lexer(text)
  const sections = sectionsOf(tokens)
  return { title: sections[0]?.title ?? "", html: marked.parser(tokens), sections }
}
