/** How the index of the site's sections is made and asked: the same for who builds it and who reads it. */
import type { Options } from "minisearch"

export interface Indexed {
  readonly id: number
  /** From the root of the site, with the anchor. */
  readonly path: string
  readonly title: string
  /** The page that the section is of. */
  readonly page: string
  readonly text: string
}

export const options: Options<Indexed> = {
  fields: ["title", "page", "text"],
  storeFields: ["path", "title", "page"],
  searchOptions: { boost: { title: 4, page: 2 }, prefix: true, fuzzy: 0.15, combineWith: "AND" }
}
