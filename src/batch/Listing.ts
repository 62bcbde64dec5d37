/**
 * The images that a web server lists: a page of links as servers make for a folder, a JSON array (of names, or of objects
 * with a `name`, as nginx gives), or plain lines. Folders below it are followed.
 */
import { Effect, Schema, Stream } from "effect"
import type { HttpClient } from "effect/http"
import { isPicture } from "../image/Folder.ts"
import * as Decode from "../service/Decode.ts"
import * as WebFile from "../service/WebFile.ts"
import { SourceNotReadable } from "./BatchError.ts"
import * as Item from "./Item.ts"

/** The images listed at an address. Keys are their paths below it. */
export const items = (
  address: string
): Stream.Stream<Item.Item<Item.Access>, SourceNotReadable, HttpClient.HttpClient> => {
  const base = new URL(address)
  const pages = [base.href]
  // A page at a time; those below it come after it.
  return Stream.flattenIterable(
    Stream.unfold(undefined, () => {
      const page = pages.pop()
      if (page === undefined) return Effect.succeed(undefined)
      return Effect.map(linksOf(page), (links) => {
        const images: Array<Item.Item<Item.Access>> = []
        for (const link of links) {
          const url = below(link, page)
          if (url === undefined) continue
          if (url.pathname.endsWith("/")) pages.push(url.href)
          else if (isPicture(url.pathname)) images.push(Item.at(url.href, keyOf(url, base)))
        }
        return [images, undefined] as const
      })
    })
  )
}

/** The address of a link, where it lies below the page: links up, to the side and to sort by do not. */
const below = (link: string, page: string): URL | undefined => {
  const url = URL.canParse(link, page) ? new URL(link, page) : undefined
  const from = new URL(page)
  const folder = from.pathname.slice(0, from.pathname.lastIndexOf("/") + 1)
  const isBelow =
    url?.origin === from.origin &&
    url.pathname.startsWith(folder) &&
    url.pathname.length > folder.length &&
    url.pathname !== from.pathname
  return isBelow ? url : undefined
}

const keyOf = (url: URL, base: URL): string => {
  const path = url.pathname.slice(base.pathname.lastIndexOf("/") + 1)
  try {
    return decodeURIComponent(path) + url.search
  } catch {
    return path + url.search
  }
}

const linksOf = (
  address: string
): Effect.Effect<ReadonlyArray<string>, SourceNotReadable, HttpClient.HttpClient> =>
  WebFile.get(address, { accept: "text/html, application/json" }).pipe(
    Effect.map((answer) => parse(Decode.text(answer))),
    Effect.mapError((error) => new SourceNotReadable({ source: address, detail: error.message })),
    Effect.filterOrFail(
      (links) => links !== undefined,
      () =>
        new SourceNotReadable({
          source: address,
          detail: "the answer is neither a page of links nor a JSON array of names"
        })
    )
  )

const Entry = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  url: Schema.optionalKey(Schema.String),
  type: Schema.optionalKey(Schema.String)
})
const Entries = Schema.Array(Schema.Union([Schema.String, Entry]))
const decodeEntries = Schema.decodeUnknownOption(Schema.fromJsonString(Entries))

/** The links of a listing, in the order it has them. */
const parse = (text: string): ReadonlyArray<string> | undefined => {
  if (/^\s*\[/.test(text)) {
    const entries = decodeEntries(text)
    if (entries._tag === "None") return undefined
    return entries.value.flatMap((entry) => {
      if (typeof entry === "string") return [entry]
      if (entry.url !== undefined) return [entry.url]
      // Names are names, not addresses: what has a meaning in an address is spelled out.
      const name = entry.name?.split("/").map(encodeURIComponent).join("/")
      return name === undefined ? [] : [entry.type === "directory" && !name.endsWith("/") ? `${name}/` : name]
    })
  }
  if (/<(!doctype|html|a|pre|head)\b/i.test(text)) {
    return Array.from(text.matchAll(/<a\b[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')/gi), (match) =>
      (match[1] ?? match[2] ?? "").replaceAll("&amp;", "&").replaceAll("&#39;", "'").replaceAll("&quot;", '"')
    )
  }
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  return lines.filter((line) => line !== "" && !line.startsWith("#"))
}
