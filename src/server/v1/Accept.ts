/**
 * Which form of an answer a caller wants, as `Accept` says it (RFC 9110, 12.5.1): the most specific range decides the
 * weight of a form, and of equal ones the first offered is taken.
 */

interface Range {
  readonly type: string
  readonly subtype: string
  readonly weight: number
}

const rangesOf = (header: string): ReadonlyArray<Range> =>
  header.split(",").flatMap((text) => {
    const [name = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase())
    // Java's own client calls everything `*`.
    const [type, subtype] = (name === "*" ? "*/*" : name).split("/", 2)
    if (type === undefined || subtype === undefined || type === "") return []
    const q = parameters.find((parameter) => parameter.startsWith("q="))
    const weight = q === undefined ? 1 : Number(q.slice(2))
    return [{ type, subtype, weight: Number.isFinite(weight) ? weight : 0 }]
  })

const specificity = ({ subtype, type }: Range): number => (type === "*" ? 0 : subtype === "*" ? 1 : 2)

/** The best of the media types offered; `undefined` where none is accepted. Without a header it is the first. */
export const choose = <Type extends string>(
  header: string | undefined,
  offered: readonly [Type, ...ReadonlyArray<Type>]
): Type | undefined => {
  if (header === undefined || header.trim() === "") return offered[0]
  const ranges = rangesOf(header)
  let best: Type | undefined
  let bestWeight = 0
  for (const media of offered) {
    const [type, subtype] = media.split("/", 2)
    const matching = ranges
      .filter(
        (range) =>
          range.type === "*" || (range.type === type && (range.subtype === "*" || range.subtype === subtype))
      )
      .sort((a, b) => specificity(b) - specificity(a))
    const weight = matching[0]?.weight ?? 0
    if (weight > bestWeight) {
      best = media
      bestWeight = weight
    }
  }
  return best
}
