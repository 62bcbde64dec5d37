/**
 * What an answer says of its mask beside it and around it: the names of its classes, and from where on a soft one is inside.
 */
import { Effect } from "effect"
import type * as ClassTable from "../mask/ClassTable.ts"
import type { Answer } from "../service/Exchange.ts"
import * as ClassesIn from "./ClassesIn.ts"
import { fail } from "./EncodedPicture.ts"
import * as MaskPaths from "./MaskPaths.ts"
import * as Side from "./Side.ts"

/** The classes that what a path leads through names, the innermost first. */
export const named = Effect.fnUntraced(function* (
  answer: Answer,
  json: unknown,
  path: string,
  of?: ClassesIn.NamedOf
) {
  for (const { path: at, value } of MaskPaths.around(json, path).toReversed()) {
    const classes = yield* ClassesIn.read(answer, at, value, of)
    if (classes.length > 0) return classes
  }
  return []
})

/** Names that an answer has in another order than the classes that were given would be those of other classes. */
export const refuseOtherOrder = Effect.fnUntraced(function* (
  answer: Answer,
  own: ClassTable.ClassTable,
  json: unknown,
  path: string
) {
  const classes = yield* Effect.orElseSucceed(named(answer, json, path), () => [])
  const ids = new Map(own.map(({ id, name }) => [name, id]))
  const other = classes.find(({ id, name }) => ids.has(name) && ids.get(name) !== id)
  // A list without a background, say, is another one.
  if (other === undefined || own.length !== classes.length) return
  const detail = `it says that ${other.id} is "${other.name}", and \`classes\` that ${ids.get(other.name)} is. Leave \`classes\` out to have its names, or say with \`as: "ids"\` that yours hold`
  return yield* fail(answer, path, detail)
})

/**
 * From which part of white on a pixel is inside, as stands beside a mask or around it: of 1, or of 255 where that is clear. The `threshold` of
 * a list, or of what has a score, may be that of scores.
 */
export const statedIn = (
  around: ReadonlyArray<Readonly<Record<string, unknown>>>,
  isOne: boolean
): number | undefined => {
  const [beside = {}] = around
  const given = around.map((each) => Side.toNumber(each["mask_threshold"])).find((said) => said !== undefined)
  const isOfMask = isOne && beside["score"] === undefined && beside["confidence"] === undefined
  const said = given ?? (isOfMask ? Side.toNumber(beside["threshold"]) : undefined)
  const share = said !== undefined && said > 100 ? said / 255 : said
  return share !== undefined && share > 0 && share < 1 ? share : undefined
}
