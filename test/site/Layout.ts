/** What is around each page: a head, the way through the site, a place to search. It needs no script but for the search. */
import { escape } from "./Markdown.ts"

export interface Entry {
  readonly title: string
  /** From the root of the site. */
  readonly path: string
}

export interface Group {
  readonly title: string
  readonly entries: ReadonlyArray<Entry>
}

/** From one place of the site to another. */
export const relative = (from: string, to: string): string => {
  const up = "../".repeat(from.split("/").length - 1)
  return `${up}${to}` || "./"
}

export const page = (options: {
  readonly path: string
  readonly title: string
  readonly html: string
  readonly groups: ReadonlyArray<Group>
}): string => {
  const { groups, html, path, title } = options
  const to = (target: string) => escape(relative(path, target))
  const nav = groups
    .map((group) => {
      const isOpen = group.entries.some((entry) => entry.path === path)
      const items = group.entries
        .map((entry) => {
          const current = entry.path === path ? ' aria-current="page"' : ""
          return `<li><a href="${to(entry.path)}"${current}>${escape(entry.title)}</a></li>`
        })
        .join("")
      return `<details${isOpen || group === groups[0] ? " open" : ""}><summary>${escape(group.title)}</summary><ul>${items}</ul></details>`
    })
    .join("\n")
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title === "effect-segformer" ? title : `${title} · effect-segformer`)}</title>
<link rel="stylesheet" href="${to("assets/style.css")}">
<script type="module" src="${to("assets/search.js")}" data-root="${escape(relative(path, ""))}"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the text</a>
<header>
<a class="home" href="${to("index.html")}">effect-segformer</a>
<search><label>Search <input id="search" type="search" autocomplete="off" placeholder="such as Retry-After" disabled></label><ol id="found" hidden></ol></search>
</header>
<div class="frame">
<nav aria-label="Pages">
${nav}
</nav>
<main id="content">
${html}
</main>
</div>
</body>
</html>
`
}
