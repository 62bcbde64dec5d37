/**
 * Label Studio's labelling configuration: which tags want masks, polygons or boxes, with which labels, and where in a task
 * the picture is that they are for. It is XML, whose names are looked at whatever their case, as Label Studio's own page does.
 */
import { Effect, Result, Stream } from "effect"
import { Xml } from "effect/encoding"
import type * as LabelStudio from "../../../mask/LabelStudio.ts"
import { bad, type Refusal } from "../../Refusal.ts"
import * as Repeater from "./Repeater.ts"

/** A `<Label>` of a control tag. */
export interface Label {
  /** As results and exports write it: its alias, where it has one. */
  readonly value: string
  /** What it is called: its value, and its alias. */
  readonly texts: ReadonlyArray<string>
  /** What models call it: `predicted_values` as it stands, and between its commas. */
  readonly predicted: ReadonlyArray<string>
}

/** A tag that regions are drawn with. */
export interface Control {
  readonly type: LabelStudio.ControlType
  readonly name: string
  /** The pictures that it is for. */
  readonly toName: ReadonlyArray<string>
  readonly labels: ReadonlyArray<Label>
  /** Where tasks bring further labels, as `value="$labels"` has it. */
  readonly labelsFrom: string | undefined
  /** The least score of a region, 0 to 1, by `model_score_threshold`. */
  readonly least: number | undefined
}

/** An `<Image>`. */
export interface Picture {
  readonly name: string
  /** Where it is, such as `$image`. */
  readonly value: string
  /** Whether that is a list of pictures, each a page: `valueList`. */
  readonly isList: boolean
}

export interface LabelConfig extends Tags {
  /** The tags for one task: `<Repeater>` has those in it once for each item of a list. Fails where a task has no such list. */
  readonly forTask: (data: Readonly<Record<string, unknown>>) => Effect.Effect<Tags, Refusal>
}

export interface Tags {
  /** In the order of the configuration, without those with `model_skip`. */
  readonly controls: ReadonlyArray<Control>
  readonly pictures: ReadonlyArray<Picture>
  /** Tags for pictures that nothing is made for here, such as `KeyPointLabels`. */
  readonly others: ReadonlyArray<string>
}

const types: Readonly<Record<string, LabelStudio.ControlType>> = {
  brushlabels: "brushlabels",
  polygonlabels: "polygonlabels",
  rectanglelabels: "rectanglelabels",
  bitmasklabels: "bitmasklabels"
}

/** More than any configuration has, and little enough to be read at once. */
const maxLength = 1 << 20

/** What stands between commas. */
const listOf = (text: string): ReadonlyArray<string> => text.split(",").flatMap((part) => part.trim() || [])

const isTrue = (text: string | undefined): boolean => /^\s*(?:true|1|yes)\s*$/i.test(text ?? "")

/** A label by its value and what else it goes by; `undefined` without a value. */
export const label = (
  value: string | undefined,
  alias: string | undefined,
  predicted: string | undefined
): Label | undefined => {
  if (value === undefined || value === "") return undefined
  const hasAlias = alias !== undefined && alias !== ""
  const between = listOf(predicted ?? "")
  return {
    value: hasAlias ? alias : value,
    texts: hasAlias ? [value, alias] : [value],
    // A class may have a comma in its own name.
    predicted: between.length > 1 && predicted !== undefined ? [predicted.trim(), ...between] : between
  }
}

/** A score from 0 to 1, or nothing where it is none. */
const scoreOf = (text: string | undefined): number | undefined => {
  const score = text === undefined || text.trim() === "" ? NaN : Number(text)
  return score >= 0 && score <= 1 ? score : undefined
}

const syntax = (error: Xml.XmlError): Refusal =>
  bad(`The labelling configuration is no XML that can be read: ${error.message}`)

/** The parts of a configuration that matter here. Fails where it is no XML. */
export const parse = Effect.fnUntraced(function* (xml: string): Effect.fn.Return<LabelConfig, Refusal> {
  if (xml.length > maxLength)
    return yield* bad(
      `The labelling configuration has ${xml.length} characters, and ${maxLength} are the most`
    )
  const events = yield* Effect.mapError(
    Stream.runCollect(Stream.pipeThroughChannel(Stream.make(xml), Xml.decodeString({ maxDepth: 256 }))),
    syntax
  )
  const tags = tagsOf(events)
  const repeats = events.some((event) => Repeater.isRepeater(event))
  const forTask: LabelConfig["forTask"] = (data) =>
    repeats ? Effect.fromResult(Result.map(Repeater.unrolled(events, data), tagsOf)) : Effect.succeed(tags)
  return { ...tags, forTask }
})

const tagsOf = (events: ReadonlyArray<Xml.Event>): Tags => {
  const controls: Array<Control> = []
  const pictures: Array<Picture> = []
  const others: Array<string> = []
  /** Labels of the control tags that are open; `undefined` for other tags. */
  const open: Array<Array<Label> | undefined> = []
  for (const event of events) {
    if (event._tag === "EndElement") open.pop()
    if (event._tag !== "StartElement") continue
    const tag = event.name.toLowerCase()
    const attributes = Repeater.attributesOf(event.attributes)
    const name = attributes.get("name")
    const toName = listOf(attributes.get("toname") ?? "")
    const type = Object.hasOwn(types, tag) ? types[tag] : undefined
    let own: Array<Label> | undefined
    if (tag === "image" && name !== undefined) {
      const list = attributes.get("valuelist")
      const value = list ?? attributes.get("value")
      if (value !== undefined) pictures.push({ name, value, isList: list !== undefined })
    } else if (type !== undefined && name !== undefined && toName.length > 0) {
      own = []
      if (!isTrue(attributes.get("model_skip"))) {
        const value = attributes.get("value")
        controls.push({
          type,
          name,
          toName,
          labels: own,
          labelsFrom: value?.startsWith("$") === true ? value : undefined,
          least: scoreOf(attributes.get("model_score_threshold"))
        })
      }
    } else if (tag === "label") {
      const found = label(
        attributes.get("value"),
        attributes.get("alias"),
        attributes.get("predicted_values")
      )
      const of = open.findLast((labels) => labels !== undefined)
      if (found !== undefined) of?.push(found)
    } else if (toName.length > 0) {
      others.push(event.name)
      // Labels in it are its own, and none of a tag around it.
      own = []
    }
    open.push(own)
  }
  return { controls, pictures, others: [...new Set(others)] }
}
