/**
 * Label Studio's `<Repeater>`: the tags in it stand once for each item of a list in a task, such as the pages of a document, with
 * the number of the item in their names and values in the place of `{{idx}}`.
 */
import { Result } from "effect"
import type { Xml } from "effect/encoding"
import { bad, type Refusal } from "../../Refusal.ts"
import { resolve } from "./TaskData.ts"

type Attributes = Readonly<Record<string, string>>

/** Names are looked at whatever their case. */
export const attributesOf = (given: Attributes): ReadonlyMap<string, string> =>
  new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]))

/** What a tag repeats: for which list, and the text that stands for the number of an item, from 0. */
interface Repeated {
  readonly on: string
  readonly flag: string
}

export const isRepeater = (event: Xml.Event): boolean =>
  event._tag === "StartElement" && event.name.toLowerCase() === "repeater"

const repeatedOf = (event: Xml.Event): Repeated | undefined => {
  if (event._tag !== "StartElement" || !isRepeater(event)) return undefined
  const attributes = attributesOf(event.attributes)
  return { on: attributes.get("on") ?? "", flag: attributes.get("indexflag") ?? "{{idx}}" }
}

/** More pages than any task has, and few enough to be read at once. */
const maxItems = 10_000
const maxEvents = 200_000

/** A tag with the number of an item in the place of what stands for it. */
const numbered = (event: Xml.Event, flag: string, item: number): Xml.Event =>
  event._tag !== "StartElement" || flag === ""
    ? event
    : {
        ...event,
        attributes: Object.fromEntries(
          Object.entries(event.attributes).map(([name, value]) => [
            name,
            value.replaceAll(flag, () => String(item))
          ])
        )
      }

/** The tags with each that repeats written out. */
export const unrolled = (
  events: ReadonlyArray<Xml.Event>,
  data: Readonly<Record<string, unknown>>
): Result.Result<ReadonlyArray<Xml.Event>, Refusal> => {
  const out: Array<Xml.Event> = []
  for (let at = 0; at < events.length; at++) {
    const event = events[at]!
    const repeated = repeatedOf(event)
    if (repeated === undefined) {
      out.push(event)
      continue
    }
    const end = endOf(events, at)
    const inside = events.slice(at + 1, end)
    at = end
    const items = resolve(repeated.on, data)
    if (!Array.isArray(items) || items.length > maxItems)
      return Result.fail(
        bad(
          `The task has no list of at most ${maxItems} items in ${repeated.on}, where <Repeater> looks for one`
        )
      )
    for (const item of items.keys()) {
      const one = unrolled(
        inside.map((event) => numbered(event, repeated.flag, item)),
        data
      )
      if (Result.isFailure(one)) return one
      for (const event of one.success) out.push(event)
      if (out.length > maxEvents)
        return Result.fail(bad(`The labelling configuration has more than ${maxEvents} tags for a task`))
    }
  }
  return Result.succeed(out)
}

/** Where the tag that starts at `from` ends. */
const endOf = (events: ReadonlyArray<Xml.Event>, from: number): number => {
  let depth = 0
  for (let at = from; at < events.length; at++) {
    const { _tag } = events[at]!
    if (_tag === "StartElement") depth++
    else if (_tag === "EndElement" && --depth === 0) return at
  }
  return events.length
}
